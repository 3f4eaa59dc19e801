"""What can be set from outside, declared once.

Each `Setting` carries its name, type, default and one sentence of help; `portal.settings` reads the
values from here, `manage.py settings_table` prints the README's table from here, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError


@dataclass(frozen=True)
class Setting:
    """One environment variable.

    `kind` is the name of the `environs` parser. `default` is what development uses; where `secret` is true
    there is no default outside of development and the start fails without a value.
    """

    name: str
    kind: str
    default: Any
    help: str
    secret: bool = False
    one_of: tuple[str, ...] = ()


# Good for one machine and nobody else: with DEBUG off each of these must be given.
_DEVELOPMENT_ONLY = "development-only-never-use-this-in-production"
_DEVELOPMENT_FERNET_KEY = "ZGV2ZWxvcG1lbnQtb25seS1uZXZlci1wcm9kdWN0aW8="

SETTINGS: tuple[Setting, ...] = (
    Setting("DEBUG", "bool", True, "Development mode. Switch it off on every machine that others can reach."),
    Setting("SECRET_KEY", "str", _DEVELOPMENT_ONLY, "Signs sessions and links; long and random.", secret=True),
    Setting(
        "FIELD_ENCRYPTION_KEYS",
        "list",
        [_DEVELOPMENT_FERNET_KEY],
        "Comma-separated Fernet keys for secrets at rest: the first encrypts, all decrypt.",
        secret=True,
    ),
    Setting(
        "LOOKUP_HASH_KEY",
        "str",
        _DEVELOPMENT_ONLY,
        "Keys the hashes by which channel keys are found. Must stay the same as long as the database lives.",
        secret=True,
    ),
    Setting(
        "ALLOWED_HOSTS", "list", ["localhost", "127.0.0.1", "[::1]"], "Comma-separated host names that are served."
    ),
    Setting("PUBLIC_URL", "str", "http://localhost:8080", "Address at which people and devices reach the portal."),
    Setting(
        "DATABASE_URL", "str", "sqlite:///var/db.sqlite3", "`sqlite:///FILE` or `postgres://USER:PASSWORD@HOST/NAME`."
    ),
    Setting(
        "DATABASE_POOLED",
        "bool",
        False,
        "Whether a pooler (PgBouncer) gives each transaction another connection: then no statement is prepared.",
    ),
    Setting(
        "TAKE_OUT_FOLDER",
        "str",
        "var/take-outs",
        "Where files with people's data lie until they are fetched, a day at most. Shared by portal and worker.",
    ),
    Setting(
        "INVITATIONS_A_DAY",
        "int",
        200,
        "How many invitations a customer may send within a day: nobody shall write to strangers through the portal.",
    ),
    Setting(
        "CACHE_URL",
        "str",
        "locmem://",
        "`locmem://`, or `redis://HOST:6379/0` as soon as there is more than one process.",
    ),
    Setting(
        "EMAIL_URL",
        "str",
        "outbox:",
        "`outbox:` shows mail on the page /outbox/ (development only), else `smtp://USER:PASSWORD@HOST:587/?tls=True`.",
    ),
    Setting("DEFAULT_FROM_EMAIL", "str", "Smart Widgets <keys@localhost>", "Sender of the portal's mail."),
    Setting(
        "TRUSTED_PROXY_COUNT",
        "int",
        0,
        "How many proxies in front add to X-Forwarded-For: limits of tries and the audit then know who is behind them.",
    ),
    Setting(
        "STATIC_ROOT",
        "str",
        "var/static",
        "Where `collectstatic` puts what browsers load, and the portal serves it from with DEBUG off.",
    ),
    Setting(
        "STAFF_NEED_SECOND_FACTOR",
        "str",
        "auto",
        "Whether operators get into the administration with a second factor only; `auto` is `yes` with DEBUG off.",
        one_of=("auto", "yes", "no"),
    ),
    Setting(
        "CHANNEL_PLATFORM",
        "str",
        "embedded",
        "Where new customers' channels live: in the portal itself, or on ThingSpeak.",
        one_of=("embedded", "thingspeak"),
    ),
    Setting(
        "THINGSPEAK_URL",
        "str",
        "https://api.thingspeak.com",
        "Address of ThingSpeak, or of anything that speaks like it.",
    ),
    Setting(
        "PLATFORM_UPDATE_INTERVAL",
        "float",
        1.0,
        "Embedded platform: seconds that must lie between two writes to a channel.",
    ),
    Setting(
        "PLATFORM_BULK_INTERVAL",
        "float",
        15.0,
        "Embedded platform: seconds that must lie between two bulk writes to a channel.",
    ),
    Setting("PLATFORM_BULK_LIMIT", "int", 960, "Embedded platform: entries in one bulk write at most."),
    Setting(
        "PLATFORM_YEARLY_MESSAGES",
        "int",
        0,
        "Embedded platform: messages an account may store in a year; 0 is no limit.",
    ),
    Setting(
        "PLATFORM_CHANNELS_PER_ACCOUNT", "int", 0, "Embedded platform: channels an account may have; 0 is no limit."
    ),
    Setting(
        "PLATFORM_PLANS",
        "json",
        {},
        'Embedded platform: further plans by name, as JSON, e.g. `{"hobby": {"update_interval": 15, "channels": 4}}`.',
    ),
)


def table_row(setting: Setting) -> str:
    """Return the setting as a row of the README's table. Secrets of development are not worth printing."""
    if setting.secret:
        default = "*needed when DEBUG is off*"
    elif isinstance(setting.default, list):
        default = f"`{','.join(setting.default)}`"
    else:
        default = f"`{setting.default}`"
    choice = f" One of {', '.join(f'`{word}`' for word in setting.one_of)}." if setting.one_of else ""
    return f"| `{setting.name}` | {default} | {setting.help}{choice} |"


def read(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of every declared setting.

    Raises ImproperlyConfigured with a sentence that names the variable when a value cannot be read, is not
    one of those allowed, or is a secret that is missing while DEBUG is off.
    """
    env = Env(eager=True)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        given = environ.get(setting.name)
        if given is None or given == "":
            if setting.secret and not values["DEBUG"]:
                raise ImproperlyConfigured(f"{setting.name} is not set. With DEBUG off it is needed: {setting.help}")
            values[setting.name] = setting.default
            continue
        parse: Callable[..., Any] = getattr(env, setting.kind)
        try:
            value = parse(setting.name)
        except EnvError as error:
            raise ImproperlyConfigured(f"{setting.name} is set to something unreadable: {error}") from None
        if setting.one_of and value not in setting.one_of:
            raise ImproperlyConfigured(f"{setting.name} must be one of {', '.join(setting.one_of)}, not {value!r}.")
        values[setting.name] = value
    return values
