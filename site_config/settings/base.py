"""Settings that development, production and tests share. Values come from `site_config.env`."""

from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from mailings.delivery.transports import kinds
from mailings.delivery.transports.http import config as http_config
from site_config import env, mail_api

BASE_DIR = env.BASE_DIR
DATA_DIR = env.path("DATA_DIR", BASE_DIR / "var")
DATA_DIR.mkdir(parents=True, exist_ok=True)

SITE_NAME = env.text("SITE_NAME", "")  # empty: «Вестник» or “Vestnik”, by language
SITE_URL = env.url("SITE_URL", "http://localhost:8000", schemes=("http", "https")).rstrip("/")

INSTALLED_APPS = [
    "site_config.apps.SiteConfig",
    "home.apps.HomeConfig",
    "blog.apps.BlogConfig",
    "mailings.apps.MailingsConfig",
    "accounts.apps.AccountsConfig",
    "site_config.wagtail_apps.Redirects",  # four of Wagtail's without its API
    "wagtail.contrib.settings",
    "wagtail.contrib.routable_page",
    "wagtail.contrib.sitemaps",
    "wagtail.contrib.typed_table_block",
    "wagtail.embeds",
    "wagtail.sites",
    "accounts.apps.WagtailUsersConfig",  # in place of wagtail.users
    "site_config.wagtail_apps.Snippets",
    "site_config.wagtail_apps.Documents",
    "site_config.wagtail_apps.Images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django_filters",
    "django_tasks",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.sitemaps",
    "django.contrib.humanize",
    "django.forms",
    "csp",
    "django_htmx",
    "django_prose_editor",
    "js_lib_bootstrap5",
    "lucide",
    "crispy_forms",
    "crispy_bootstrap5",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "huey.contrib.djhuey",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "site_config.middleware.ContentSecurityPolicyMiddleware",
    "site_config.privacy.PrivacyMiddleware",
    "site_config.page_cache.PageCacheMiddleware",  # what follows is done once for many visitors
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "site_config.privacy.VouchedOriginMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "site_config.bodies.BodyMiddleware",  # behind what knows the reader's language
    "site_config.middleware.AdminPreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "wagtail.contrib.redirects.middleware.RedirectMiddleware",
    "site_config.middleware.IncompleteFormMiddleware",
]

ROOT_URLCONF = "site_config.urls"
WSGI_APPLICATION = "site_config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "site_config.context_processors.site",
            ],
            "builtins": ["site_config.templatetags.look"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# ---------------------------------------------------------------- database, cache, queue
SQLITE_OPTIONS = {
    # IMMEDIATE takes the write lock when a transaction begins: eight writers then wait for one
    # another instead of failing with "database is locked" (measured).
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,  # seconds
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
        "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=27103364; PRAGMA cache_size=2000;"
    ),
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database("DATABASE_URL", f"sqlite:///{DATA_DIR}/db.sqlite3")
}
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    DATABASES["default"] |= {
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # A database host that swallows packets must not hold a page for minutes.
            "connect_timeout": 5,
            # Nor may a process that sleeps in mid-transaction hold its locks while it sleeps.
            "options": "-c idle_in_transaction_session_timeout=20s",
        }
        | DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.url("REDIS_URL", "", schemes=("redis", "rediss", "unix"))
REDIS_TIMEOUT = 1  # seconds; a web page must not wait longer for a Redis that is away
CACHES: dict[str, dict[str, Any]]
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "vestnik",
            "OPTIONS": {
                "socket_connect_timeout": REDIS_TIMEOUT,
                "socket_timeout": REDIS_TIMEOUT,
            },
        }
    }
else:
    # Rate limits and cached figures must be shared by web and worker: a table, not memory.
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        }
    }

# Wagtail writes every picture's renditions there; ours are read by one query a list (blog.cards),
# and a picture must come while the cache is away.
CACHES["renditions"] = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}

HUEY: dict[str, Any] = {
    "name": "vestnik",
    "results": False,
    "utc": True,
    "immediate": False,  # djhuey would take DEBUG here and run tasks inside the web request
    "consumer": {
        "workers": 4,
        "worker_type": "thread",
        "initial_delay": 0.05,  # seconds
        "backoff": 1.15,
        "max_delay": 0.5,  # seconds; the stock 10 would make starts late
        "scheduler_interval": 1,  # seconds
        "check_worker_health": True,
        "graceful_signal": "TERM",
        "shutdown_timeout": 60,  # seconds
    },
}
if REDIS_URL:
    HUEY |= {
        "huey_class": "huey.PriorityRedisExpireHuey",
        "connection": {
            "expire_time": 86_400,  # seconds
            # Without retries, which redis-py makes by default: a page waits REDIS_TIMEOUT, once.
            "connection_pool": ConnectionPool.from_url(
                REDIS_URL,
                socket_connect_timeout=REDIS_TIMEOUT,
                socket_timeout=REDIS_TIMEOUT,
                retry=Retry(NoBackoff(), 0),
            ),
        },
    }
else:
    HUEY |= {
        "huey_class": "huey.SqliteHuey",
        "connection": {"filename": str(DATA_DIR / "queue.sqlite3"), "timeout": 20},
    }

# ---------------------------------------------------------------- people
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "mailings:dashboard"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignupForm",
    "login": "accounts.forms.LoginForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "add_email": "accounts.forms.ChangeEmailForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
# A letter goes out in either case: neither the answer nor its time tells who has an account.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # in the browser that signed up, nowhere else
ACCOUNT_RATE_LIMITS = {
    # Letters to one address, whoever asks for them.
    "confirm_email": "1/3m/key,5/d/key",
    "reset_password": "20/m/ip,3/15m/key,12/d/key",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_TOTP_ISSUER = SITE_NAME or "Vestnik"
MFA_FORMS = {
    "authenticate": "accounts.forms.CodeForm",
    "reauthenticate": "accounts.forms.CodeAgainForm",
    "activate_totp": "accounts.forms.ActivateAppForm",
    "add_webauthn": "accounts.forms.AddKeyForm",
    "edit_webauthn": "accounts.forms.RenameKeyForm",
}
USERSESSIONS_TRACK_ACTIVITY = False
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", default=0)
# Whom `manage.py csu` and `manage.py cu` make, when no options are given.
CSU_EMAIL = env.text("CSU_EMAIL", "")
CSU_PASSWORD = env.secret("CSU_PASSWORD", "")
CU_EMAIL = env.text("CU_EMAIL", "")
CU_PASSWORD = env.secret("CU_PASSWORD", "")

# ---------------------------------------------------------------- language and time
LANGUAGE_CODE = env.choice("LANGUAGE_CODE", default="ru", among=("ru", "en"))
LANGUAGES = [("ru", _("Russian")), ("en", _("English"))]
WAGTAIL_CONTENT_LANGUAGES = LANGUAGES
WAGTAILADMIN_PERMITTED_LANGUAGES = LANGUAGES
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["site_config.formats"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "Europe/Moscow")

# ---------------------------------------------------------------- files
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA_DIR / "media"
PRIVATE_ROOT = DATA_DIR / "private"  # documents, pictures as they were uploaded; see storage.py
STORAGES = {
    "default": {"BACKEND": "site_config.storage.MediaStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Of a whole request: files of 10 MB fit, and one a bit too large gets the form's own answer.
REQUEST_BODY_LIMIT = 16 * 1024 * 1024  # bytes; docs/configuration.md tells a proxy the same
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # Wagtail's page editor needs it

# ---------------------------------------------------------------- mail
# Mailings leave through `mailings.delivery.transports`; the first transport is EMAIL_URL.
# Django's own backend carries system mail only (sign-up, password).
EMAIL_URL = env.url("EMAIL_URL", "smtp://localhost:1025", schemes=kinds.SCHEMES)
SYSTEM_EMAIL_URL = env.url("SYSTEM_EMAIL_URL", EMAIL_URL, schemes=kinds.SCHEMES)
_system_mail = urlsplit(SYSTEM_EMAIL_URL)
EMAIL_BACKEND = (
    "django.core.mail.backends.locmem.EmailBackend"
    if _system_mail.scheme == "memory"
    else "django.core.mail.backends.smtp.EmailBackend"
)
ANYMAIL: dict[str, Any] = {"REQUESTS_TIMEOUT": 30}  # seconds, per read
if http_config.is_api(EMAIL_URL):
    mail_api.read("EMAIL_URL", EMAIL_URL)
if http_config.is_api(SYSTEM_EMAIL_URL):
    EMAIL_BACKEND, _keys = mail_api.backend(mail_api.read("SYSTEM_EMAIL_URL", SYSTEM_EMAIL_URL))
    ANYMAIL |= _keys
EMAIL_HOST = _system_mail.hostname or "localhost"
EMAIL_PORT = _system_mail.port or {"smtps": 465, "smtp+tls": 587}.get(_system_mail.scheme, 25)
EMAIL_HOST_USER = unquote(_system_mail.username or "")
EMAIL_HOST_PASSWORD = unquote(_system_mail.password or "")
EMAIL_USE_TLS = _system_mail.scheme == "smtp+tls"
EMAIL_USE_SSL = _system_mail.scheme == "smtps"
EMAIL_TIMEOUT = 30  # seconds, per read
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "vestnik@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
MAILBOX_DIR = DATA_DIR / "mailbox"  # where `manage.py up` keeps the mail it catches
# Links, button and edge of the letters; shades for the dark theme are derived from it.
MAIL_ACCENT = env.colour("MAIL_ACCENT", "#0d5463")
# Where mail servers return what they could not deliver: `b+<token>@BOUNCE_DOMAIN`; none: to the
# visible sender. `mailings.feedback` tells what follows from it.
BOUNCE_DOMAIN = env.domain("BOUNCE_DOMAIN")
# A key that signs letters from DEFAULT_FROM_EMAIL, as PEM; none: they are not signed.
DKIM_DOMAIN = env.domain("DKIM_DOMAIN")
DKIM_SELECTOR = env.domain("DKIM_SELECTOR") or "vestnik"
DKIM_PRIVATE_KEY = env.secret("DKIM_PRIVATE_KEY", "")
# Where sender domains are asked about: addresses, perhaps with a port; none: the system's.
DNS_RESOLVERS = env.words("DNS_RESOLVERS")
# The mailbox that returned mail comes to, read over IMAP; none: not read.
BOUNCE_MAILBOX_URL = env.secret("BOUNCE_MAILBOX_URL", "")
# `service=secret`: HTTP APIs tell at /webhooks/<service>/ what became of a letter; none: 404.
WEBHOOK_SECRETS = mail_api.webhook_secrets("WEBHOOK_SECRETS", env.secrets("WEBHOOK_SECRETS"))
# So many letters returned for now within so many days, none taken in between: no more to them.
SOFT_BOUNCES = env.integer("SOFT_BOUNCES", default=5, least=2)
SOFT_BOUNCE_DAYS = env.integer("SOFT_BOUNCE_DAYS", default=30, least=1)
# A mailing is paused when more of a run than this comes back for good, and at least so many.
BOUNCE_PAUSE_PERCENT = env.number("BOUNCE_PAUSE_PERCENT", default=5)
BOUNCE_PAUSE_LEAST = env.integer("BOUNCE_PAUSE_LEAST", default=10, least=1)
# The same for complaints.
COMPLAINT_PAUSE_PERCENT = env.number("COMPLAINT_PAUSE_PERCENT", default=0.1)
COMPLAINT_PAUSE_LEAST = env.integer("COMPLAINT_PAUSE_LEAST", default=3, least=1)
# Connections to the mail service of EMAIL_URL when its row is made; the row counts from then on.
EMAIL_CONNECTIONS = env.integer("EMAIL_CONNECTIONS", default=10, least=1)
# Whether the MX hosts of domains are asked for while a big receiver is slow: whose else it is.
MX_LOOKUPS = env.boolean("MX_LOOKUPS", default=True)
# Whether owners may make subscribe forms that take people in without a letter to confirm.
SINGLE_OPT_IN = env.boolean("SINGLE_OPT_IN", default=False)
# Days for which the ledger of consents keeps the address of the browser that a form was sent from.
CONSENT_IP_DAYS = env.integer("CONSENT_IP_DAYS", default=365, least=1)
# Whether letters may tell their sender that they were opened, and which links were followed.
TRACKING = env.choice("TRACKING", default="allowed", among=("forbidden", "allowed", "on"))
# Seconds for which a mailing that somebody starts at once can be taken back; 0: it starts at once.
UNDO_SECONDS = env.integer("UNDO_SECONDS", default=30)
# How often a message whose acceptance is unknown is handed over again (same Message-ID).
UNCERTAIN_RESENDS = env.integer("UNCERTAIN_RESENDS", default=1)
UNCERTAIN_WAIT = env.integer("UNCERTAIN_WAIT", default=900)  # seconds before that
# Seconds a worker that seems dead is given to come back; a living one shows itself each 15.
WORKER_SILENCE = env.integer("WORKER_SILENCE", default=20)
# Seconds of silence after which a worker is taken for dead. Longer than one mail may take.
WORKER_LEASE = env.integer("WORKER_LEASE", default=1500, least=10)


# ---------------------------------------------------------------- Wagtail, forms
WAGTAILEMBEDS_FINDERS: list[dict[str, str]] = []
WAGTAIL_SITE_NAME = SITE_NAME or "Vestnik"
WAGTAILADMIN_BASE_URL = SITE_URL  # stands in for the site's address: home/wagtail_hooks.py
WAGTAILSEARCH_BACKENDS = {
    "default": {
        "BACKEND": "wagtail.search.backends.database",
        "SEARCH_CONFIG": "russian",  # PostgreSQL: «списки» finds «список»; English is stemmed too
    }
}
WAGTAIL_ENABLE_UPDATE_CHECK = False
WAGTAIL_ENABLE_WHATS_NEW_BANNER = False
WAGTAIL_PASSWORD_MANAGEMENT_ENABLED = False  # allauth's pages have the limits and the MFA
WAGTAIL_PASSWORD_RESET_ENABLED = False
WAGTAIL_EMAIL_MANAGEMENT_ENABLED = False
WAGTAIL_GRAVATAR_PROVIDER_URL = None
WAGTAIL_FRONTEND_LOGIN_URL = "/accounts/login/"
WAGTAILIMAGES_MAX_UPLOAD_SIZE = 10 * 1024 * 1024  # bytes
WAGTAILIMAGES_MAX_IMAGE_PIXELS = 25_000_000
# One password for all readers would need a form of its own, without limits: see doors.py.
WAGTAIL_PRIVATE_PAGE_OPTIONS = {"SHARED_PASSWORD": False}
WAGTAILDOCS_PRIVATE_COLLECTION_OPTIONS = {"SHARED_PASSWORD": False}
WAGTAILDOCS_SERVE_METHOD = "serve_view"  # never past the question who may have it
WAGTAILDOCS_INLINE_CONTENT_TYPES: list[str] = []
WAGTAILDOCS_MAX_UPLOAD_SIZE = 25 * 1024 * 1024  # bytes
WAGTAILDOCS_DOCUMENT_FORM_BASE = "blog.documents.DocumentForm"
WAGTAILDOCS_EXTENSIONS = [
    "csv", "docx", "gif", "jpeg", "jpg", "odp", "ods", "odt", "pdf", "png", "pptx", "txt", "webp",
    "xlsx", "zip",
]  # fmt: skip
WAGTAILIMAGES_EXTENSIONS = ["gif", "jpg", "jpeg", "png", "webp"]
PAGE_CACHE = True  # public pages for visitors without a session: site_config/page_cache.py
VIEWS_DELAY = 1.0  # seconds that a process collects the readings of pages before it writes them
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# ---------------------------------------------------------------- security
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],  # but for our own previews, which say so themselves
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "site_config.views.csrf_failure"

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "site_config.logs.LineFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},
        # `runserver` has a handler of its own, which writes addresses as they are.
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
        "django_tasks": {"level": "WARNING"},  # Wagtail's index tasks: two lines for every save
        # A handler of its own, or `run_huey` adds one and every line comes twice.
        "huey": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "mail.log": {"level": "WARNING"},  # aiosmtpd would tell every command
    },
}
