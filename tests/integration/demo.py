"""The demo, loaded as an operator does."""

from io import StringIO

from django.core.management import call_command


def load() -> str:
    """Return what the command says."""
    out = StringIO()
    call_command("load_demo", stdout=out, force=True)
    return out.getvalue()
