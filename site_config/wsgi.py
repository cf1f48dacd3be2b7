"""WSGI entry point; gunicorn loads `site_config.wsgi:application`."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from site_config.bodies import BoundedBodies

GUNICORN_STOPS = 3  # the exit code after which gunicorn does not start the worker again

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_config.settings.production")

try:
    application = BoundedBodies(get_wsgi_application())
except ImproperlyConfigured as error:
    sys.stderr.write(f"Settings: {error}\n")
    sys.exit(GUNICORN_STOPS)
