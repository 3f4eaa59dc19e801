"""Django settings. What can be set from outside is declared in `portal.environment`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dj_database_url
import dj_email_url
import django_cache_url
from django.core.exceptions import ImproperlyConfigured
from whitenoise.compress import Compressor

from portal import environment

BASE_DIR = Path(__file__).resolve().parent.parent

_env = environment.read(os.environ)
DEBUG: bool = _env["DEBUG"]
SECRET_KEY: str = _env["SECRET_KEY"]
FIELD_ENCRYPTION_KEYS: list[str] = _env["FIELD_ENCRYPTION_KEYS"]
LOOKUP_HASH_KEY: str = _env["LOOKUP_HASH_KEY"]
ALLOWED_HOSTS: list[str] = _env["ALLOWED_HOSTS"]
PUBLIC_URL: str = _env["PUBLIC_URL"].rstrip("/")
CHANNEL_PLATFORM: str = _env["CHANNEL_PLATFORM"]
THINGSPEAK_URL: str = _env["THINGSPEAK_URL"].rstrip("/")
PLATFORM_UPDATE_INTERVAL: float = _env["PLATFORM_UPDATE_INTERVAL"]
PLATFORM_BULK_INTERVAL: float = _env["PLATFORM_BULK_INTERVAL"]
PLATFORM_BULK_LIMIT: int = _env["PLATFORM_BULK_LIMIT"]
PLATFORM_YEARLY_MESSAGES: int = _env["PLATFORM_YEARLY_MESSAGES"]
PLATFORM_CHANNELS_PER_ACCOUNT: int = _env["PLATFORM_CHANNELS_PER_ACCOUNT"]
PLATFORM_PLANS: dict[str, dict[str, float]] = _env["PLATFORM_PLANS"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "portal.apps.OperatorsConfig",
    "mptt",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_tasks",
    "django_tasks_db",
    "orgs",
    "channels",
    "channels.platform",
    "devices",
    "portal",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.middleware.device_paths",
    "portal.middleware.content_security_policy",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.note_log_ins",
    "portal.middleware.as_people_read",
    "portal.middleware.LogInFirst",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.middleware.RefusalsForPeople",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["portal.templatetags.icons", "portal.templatetags.moments", "portal.templatetags.places"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.navigation",
            ],
        },
    },
]
FORM_RENDERER = "orgs.form_words.Renderer"


def _database(url: str, *, pooled: bool) -> dict[str, Any]:
    """Django's DATABASES entry for `url`, with what makes SQLite safe and fast under several writers.

    `pooled`: the next transaction may have another connection, which knows nothing of what was prepared in this one.
    """
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////") and ":memory:" not in url:
        file = BASE_DIR / url.removeprefix("sqlite:///")
        file.parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{file}"
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    database["CONN_MAX_AGE"] = 600
    database["CONN_HEALTH_CHECKS"] = True
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = {
            # Without IMMEDIATE two transactions that read before they write fail with "database is locked"
            # instead of waiting for one another.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-20000;",
        }
        # A file: the shared in-memory database that Django would take has other locks than a real one.
        database["TEST"] = {"NAME": str(BASE_DIR / "var" / "test.sqlite3")}
    else:
        # For `devices.compiled`. Django's own cursors prepare nothing, whatever this says.
        database.setdefault("OPTIONS", {})["prepare_threshold"] = None if pooled else 2
        database["DISABLE_SERVER_SIDE_CURSORS"] = pooled
    return database


TAKE_OUT_FOLDER = BASE_DIR / _env["TAKE_OUT_FOLDER"]
DATABASES = {"default": _database(_env["DATABASE_URL"], pooled=_env["DATABASE_POOLED"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": django_cache_url.parse(_env["CACHE_URL"])}
if CACHES["default"]["BACKEND"].endswith("RedisCache"):
    CACHES["default"]["BACKEND"] = "django_redis.cache.RedisCache"

if _env["EMAIL_URL"] == "outbox:":
    if not DEBUG:
        raise ImproperlyConfigured(
            "EMAIL_URL is not set. With DEBUG off it is needed: mail on the page /outbox/ would show everybody's links."
        )
    EMAIL_BACKEND = "portal.outbox.OutboxBackend"
else:
    _mail = dj_email_url.parse(_env["EMAIL_URL"])
    if "EMAIL_BACKEND" not in _mail:
        raise ImproperlyConfigured("EMAIL_URL must look like smtp://USER:PASSWORD@HOST:587/?tls=True.")
    vars().update(_mail)
    EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
# How the worker sends what pages have put into its queue: no page waits for a mail server, or fails with it.
MAIL_TRANSPORT: str = EMAIL_BACKEND
if MAIL_TRANSPORT == "django.core.mail.backends.smtp.EmailBackend":
    EMAIL_BACKEND = "portal.mail.InBackground"
    EMAIL_TIMEOUT: int = _mail["EMAIL_TIMEOUT"] or 30
DEFAULT_FROM_EMAIL: str = _env["DEFAULT_FROM_EMAIL"]
SERVER_EMAIL = DEFAULT_FROM_EMAIL
OUTBOX_IS_SHOWN = EMAIL_BACKEND == "portal.outbox.OutboxBackend"

AUTH_USER_MODEL = "orgs.User"
AUTHENTICATION_BACKENDS = ["orgs.logging_in.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"

ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_CHANGE_EMAIL = True  # One address each: a new one replaces it as soon as it is confirmed.
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 5 * 60
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_ADAPTER = "portal.accounts.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "portal.forms.SignupForm",
    "login": "portal.entrance_forms.LoginForm",
    "reset_password": "portal.entrance_forms.ResetPasswordForm",
    "reset_password_from_key": "portal.entrance_forms.ResetPasswordKeyForm",
    "add_email": "portal.entrance_forms.NewAddressForm",
    "change_password": "portal.entrance_forms.ChangePasswordForm",
    "set_password": "portal.entrance_forms.SetPasswordForm",
}
INVITATIONS_A_DAY: int = _env["INVITATIONS_A_DAY"]
ALLAUTH_TRUSTED_PROXY_COUNT: int = _env["TRUSTED_PROXY_COUNT"]
ACCOUNT_DEFAULT_HTTP_PROTOCOL = PUBLIC_URL.split(":", 1)[0]

MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ADAPTER = "portal.accounts.SecondFactors"
MFA_FORMS = {
    "authenticate": "portal.entrance_forms.CodeForm",
    "reauthenticate": "portal.entrance_forms.CodeAgainForm",
    "activate_totp": "portal.entrance_forms.ActivateAppForm",
}
MFA_TOTP_ISSUER = "Smart Widgets Keys"
MFA_TOTP_TOLERANCE = 1  # Clocks of phones are wrong by half a minute.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG
STAFF_NEED_SECOND_FACTOR: bool = {"yes": True, "no": False, "auto": not DEBUG}[_env["STAFF_NEED_SECOND_FACTOR"]]

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "portal.problems.answer",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {"TITLE": "Key distribution portal", "VERSION": "1", "SERVE_INCLUDE_SCHEMA": False}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["portal.formats"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / _env["STATIC_ROOT"]
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
_node = BASE_DIR / "node_modules"
ICONS = _node / "bootstrap-icons" / "icons"
STATICFILES_DIRS = [
    (f"npm/{name}", _node / folder)
    for name, folder in (
        ("bootstrap/css", "bootstrap/dist/css"),
        ("htmx", "htmx.org/dist"),
        ("uplot", "uplot/dist"),
    )
    if (_node / folder).is_dir()
]
WHITENOISE_USE_FINDERS = DEBUG
# Source maps are asked for by developers' tools alone, and are half of what collectstatic would compress.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [*Compressor.SKIP_COMPRESS_EXTENSIONS, "map"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

APPEND_SLASH = True
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
if PUBLIC_URL.startswith("https:"):
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_SSL_REDIRECT = True
    # What devices and programs call is answered over plain HTTP, too: many a firmware speaks nothing else, and none
    # follows a redirect. The envelope is sealed all the same.
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|midpoint/ws|api/v1|update|channels|stream|users)\b"]
    # Both would speak for other names under the same domain, which are not ours to decide about.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
