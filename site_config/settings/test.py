"""Tests: real PostgreSQL (or SQLite), Redis and SMTP; tests/services.py starts and names them."""

from site_config.settings.base import *  # noqa: F403 - settings are layered
from site_config.settings.base import DATA_DIR, DATABASES, HUEY, STORAGES

DEBUG = False
SECRET_KEY = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - guards nothing
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
DATABASES["default"]["CONN_MAX_AGE"] = 0
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    # A file, as in the product: threads of a test are real writers that wait for one another.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}
# Tasks are not run inside the request: a test that wants a worker starts one.
HUEY = HUEY | {"huey_class": "huey.MemoryHuey", "connection": {}}
# Most tests make their rows in a transaction that never commits, so nothing would tell the cache of
# pages; and they ask at once what a reading has counted. Tests of either set it themselves.
PAGE_CACHE = False
VIEWS_DELAY = 0
# Tests of the window in which a start can be taken back set it themselves.
UNDO_SECONDS = 0
# A test plays a worker's death by letting go of its lock, and its rescue is not waited for.
WORKER_SILENCE = 0
# Nothing of a test asks the world's DNS.
MX_LOOKUPS = False
DNS_RESOLVERS = ["127.0.0.1:9"]  # nobody answers there; tests name a server of their own
