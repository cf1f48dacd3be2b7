#!/usr/bin/env python
"""Django's command line, on the development settings unless the environment names others."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_config.settings.development")
    from django.core.management import execute_from_command_line

    from site_config.failures import in_one_line

    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        line = in_one_line(error)
        if line is None or "--traceback" in sys.argv:
            raise
        sys.exit(line)


if __name__ == "__main__":
    main()
