"""The write path: one function that stores one entry, whatever transport brought it.

It is the platform's busiest code and therefore SQL by hand: one UPDATE that finds the key, enforces the interval,
counts the entry and keeps the last values, and one INSERT. Both statements say the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, connection, transaction

from channels.platform.errors import MomentTaken, QuotaUsedUp, TooEarly, UnknownKey
from channels.platform.models import ApiKey
from channels.platform.plans import plans
from channels.platform.values import EntryValues
from channels.vault import keyed_hash

# How exactly the use of a key is noted on it.
NOTE_EVERY = timedelta(minutes=1)
_YEAR = timedelta(days=365)
# A last write so far in the future says that the clock was set back. That must not close the channel until it is then.
_CLOCK_ERROR = timedelta(minutes=1)
_FOREVER = 2**62
_LAST = ("status", "latitude", "longitude", "elevation")


@dataclass(frozen=True)
class Written:
    """A stored entry: the channel it went to, its number, its moment. Of many stored at once it is the last.

    `key_is_retiring` says that it was written with a key that is about to end: there is a newer one.
    """

    channel_number: int
    entry_id: int
    created_at: datetime
    key_is_retiring: bool


def write_entry(key: str, values: EntryValues, *, now: datetime) -> Written:
    """Store one entry in the channel that `key` writes to.

    Raises UnknownKey for a key that is unknown, over, or only reads; TooEarly if the channel's write interval has not
    passed since its last entry came in; QuotaUsedUp; MomentTaken if the channel has an entry of that `created_at`.
    """
    moment = values.created_at or now
    while True:
        try:
            return _write(key, values.columns, moment, now)
        except MomentTaken:
            if values.created_at is not None:
                raise
            # Two writes came in the same microsecond, which only a channel without interval allows.
            moment += timedelta(microseconds=1)


def _write(key: str, columns: Mapping[str, str], moment: datetime, now: datetime) -> Written:
    last: dict[str, Any] = {name: columns.get(name) for name in _LAST}
    fields = [name for name in columns if name not in _LAST]
    with transaction.atomic(), connection.cursor() as cursor:
        number, last_id, noted, key_is_retiring = advance(
            cursor, key, count=1, last=last, fields={name: (columns[name], 0, moment) for name in fields},
            last_at=moment, now=now, bulk=False, channel_number=None,
        )  # fmt: skip
        names = tuple(columns)
        try:
            cursor.execute(_insert_sql(names), (number, last_id, adapt(moment), *columns.values()))
        except IntegrityError:
            raise MomentTaken from None
        spend(cursor, number, 1, now)
        if noted:
            note_use(cursor, key, now)
    return Written(number, last_id, moment, key_is_retiring)


def advance(
    cursor: Any,
    key: str,
    *,
    count: int,
    last: Mapping[str, str | None],
    fields: Mapping[str, tuple[str, int, datetime]],
    last_at: datetime,
    now: datetime,
    bulk: bool,
    channel_number: int | None,
) -> tuple[int, int, bool, bool]:
    """Give out the next `count` entry numbers of the channel that `key` writes to, and keep what it said last.

    `last` are status and position of the last entry, `fields` for each field its newest value, how many entries before
    the last one it came (0 for the last itself), and when. The row of `Latest` stays locked until the transaction
    ends, so that numbers have neither gaps nor doubles.

    Returns the channel's number, the last entry id given out, whether the key's use is due to be noted, and whether the
    key is retiring. Raises UnknownKey or TooEarly.
    """
    clock = "bulk_written_at" if bulk else "written_at"
    sql = _advance_sql(tuple(fields), tuple(plans()), clock, channel_number is not None)
    parameters: list[Any] = [count, count, adapt(last_at), adapt(now), *(last[name] for name in _LAST)]
    for value, before, at in fields.values():
        parameters += (value, count - before, adapt(at))
    adapted_now = adapt(now)
    parameters += (adapt(now - NOTE_EVERY), adapted_now, keyed_hash(key), adapted_now)
    if channel_number is not None:
        parameters.append(channel_number)
    for name, plan in plans().items():
        latest_good = adapt(_latest_good(now, plan.bulk_interval if bulk else plan.update_interval))
        parameters += (name, latest_good) if name else (latest_good,)
    parameters += (adapt(now + _CLOCK_ERROR), adapted_now)
    cursor.execute(sql, parameters)
    row = cursor.fetchone()
    if row is None:
        # Only now is it worth a second look which of the conditions failed.
        good = ApiKey.objects.good_at(now).filter(writes=True).find(key)
        if good is None or channel_number not in (None, good.channel_id):
            raise UnknownKey
        raise TooEarly
    return row[0], row[1], bool(row[2]), bool(row[3])


def _latest_good(now: datetime, interval: float) -> datetime:
    """The moment after which the last write must not lie.

    Without an interval any will do: of two requests at once, the one that came first may well be stored last.
    """
    return now - timedelta(seconds=interval) if interval else now + _CLOCK_ERROR


@lru_cache(maxsize=512)
def _advance_sql(fields: Sequence[str], plan_names: Sequence[str], clock: str, of_channel: bool) -> str:
    """The UPDATE for a write that carries `fields`.

    On PostgreSQL a second writer waits at the row and then sees the first one's `written_at`: the interval holds
    under parallel writes. On SQLite writers come one after the other anyhow; there RETURNING sees nothing of the other
    tables (https://sqlite.org/lang_returning.html, 3), so the key is looked up once more by its number.
    """
    settings = "".join(f", {name} = %s, {name}_id = last_entry_id + %s, {name}_at = %s" for name in fields)
    # A moment after which the last write must not lie. With one plan it is a constant and needs no look at the account.
    if len(plan_names) == 1:
        tables, joined, limit = "", "", "%s"
    else:
        tables = ", platform_channel c, platform_account a"
        joined = " AND c.number = k.channel_id AND a.id = c.account_id"
        limit = f"CASE a.plan_name {'WHEN %s THEN %s ' * (len(plan_names) - 1)}ELSE %s END"
    return f"""
        UPDATE platform_latest SET
            last_entry_id = last_entry_id + %s, newest_id = last_entry_id + %s, last_entry_at = %s, {clock} = %s,
            status = %s, latitude = %s, longitude = %s, elevation = %s{settings},
            key_used = k.id,
            key_noted_at = CASE WHEN key_used = k.id AND key_noted_at > %s THEN key_noted_at ELSE %s END
        FROM platform_apikey k{tables}
        WHERE k.hash = %s AND k.writes AND (k.expires_at IS NULL OR k.expires_at > %s)
            AND platform_latest.channel_id = k.channel_id{" AND k.channel_id = %s" if of_channel else ""}{joined}
            AND ({clock} IS NULL OR {clock} <= {limit} OR {clock} > %s)
        RETURNING platform_latest.channel_id, last_entry_id, key_noted_at = %s,
            (SELECT used.expires_at IS NOT NULL FROM platform_apikey used WHERE used.id = platform_latest.key_used)
    """  # noqa: S608  names of our own columns


@lru_cache(maxsize=512)
def _insert_sql(columns: Sequence[str]) -> str:
    names = "".join(f", {name}" for name in columns)
    places = ", %s" * len(columns)
    return f"INSERT INTO platform_entry (channel_id, entry_id, created_at{names}) VALUES (%s, %s, %s{places})"  # noqa: S608


def note_use(cursor: Any, key: str, now: datetime) -> None:
    """Note on the key that it was used. Called at most once a minute for a key that is in steady use."""
    at = adapt(now)
    cursor.execute(
        "UPDATE platform_apikey SET last_used_at = %s, first_used_at = COALESCE(first_used_at, %s) WHERE hash = %s",
        (at, at, keyed_hash(key)),
    )


def spend(cursor: Any, channel_number: int, count: int, now: datetime) -> None:
    """Count `count` messages against the account's yearly quota, if any plan has one. Raises QuotaUsedUp."""
    if not any(plan.yearly_messages for plan in plans().values()):
        return
    year_ago = adapt(now - _YEAR)
    quotas: list[Any] = []
    for name, plan in plans().items():
        quota = plan.yearly_messages or _FOREVER
        quotas += (name, quota) if name else (quota,)
    limit = f"CASE plan_name {'WHEN %s THEN %s ' * (len(plans()) - 1)}ELSE %s END" if len(plans()) > 1 else "%s"
    cursor.execute(
        f"""
        UPDATE platform_account SET
            messages = CASE WHEN messages_since <= %s THEN 0 ELSE messages END + %s,
            messages_since = CASE WHEN messages_since <= %s THEN %s ELSE messages_since END
        WHERE id = (SELECT account_id FROM platform_channel WHERE number = %s)
            AND CASE WHEN messages_since <= %s THEN 0 ELSE messages END + %s <= {limit}
        """,  # noqa: S608
        (year_ago, count, year_ago, adapt(now), channel_number, year_ago, count, *quotas),
    )
    if cursor.rowcount == 0:
        raise QuotaUsedUp


def adapt(moment: datetime) -> Any:
    """Return `moment` as raw SQL wants it: SQLite keeps moments as text in UTC."""
    return connection.ops.adapt_datetimefield_value(moment)
