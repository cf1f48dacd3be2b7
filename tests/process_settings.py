"""Settings of processes that tests start and ill-treat: as in production, without its guards."""

from site_config.settings.base import *  # noqa: F403 - settings are layered
from site_config.settings.base import STORAGES

DEBUG = False
SECRET_KEY = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
# Nothing of a test asks the world's DNS.
MX_LOOKUPS = False
