"""Development and `make run`: SQLite, a local mailbox, readable errors."""

from site_config import env
from site_config.settings.base import *  # noqa: F403 - settings are layered
from site_config.settings.base import DATA_DIR
from site_config.settings.own_secret_key import own_secret_key

DEBUG = env.boolean("DEBUG", default=True)
SECRET_KEY = env.secret("SECRET_KEY", "") or own_secret_key(DATA_DIR / "secret_key")
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
