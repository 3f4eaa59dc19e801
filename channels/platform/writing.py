"""The write path: one function that stores one entry, whatever transport brought it.

It is the platform's busiest code and therefore SQL by hand: one UPDATE that finds the key, enforces the interval,
counts the entry and keeps the last values, and one INSERT. Both say the same on SQLite and PostgreSQL. PostgreSQL takes
them as one statement: that is one way to the server and back instead of four.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, connection, transaction

from channels.compiled import let_prepare
from channels.platform.errors import MomentTaken, QuotaUsedUp, TooEarly, UnknownKey
from channels.platform.models import ApiKey
from channels.platform.plans import YEAR, plans
from channels.platform.values import EntryValues
from channels.turns import turn_to_write
from channels.vault import keyed_hash

# How exactly the use of a key is noted on it.
NOTE_EVERY = timedelta(minutes=1)
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
    fields = {name: (value, 0, moment) for name, value in columns.items() if name not in _LAST}
    step = Step(key, count=1, last=last, fields=fields, last_at=moment, now=now)
    store = _store_at_once if connection.vendor == "postgresql" else _store_in_steps
    number, last_id, key_is_retiring = store(step, columns, moment)
    return Written(number, last_id, moment, key_is_retiring)


def _store_in_steps(step: Step, columns: Mapping[str, str], moment: datetime) -> tuple[int, int, bool]:
    with turn_to_write(), transaction.atomic(), connection.cursor() as cursor:
        number, last_id, noted, key_is_retiring = advance(cursor, step)
        try:
            cursor.execute(_insert_sql(tuple(columns)), (number, last_id, adapt(moment), *columns.values()))
        except IntegrityError:
            raise MomentTaken from None
        spend(cursor, number, 1, step.now)
        if noted:
            note_use(cursor, step.key, step.now)
    return number, last_id, key_is_retiring


def _store_at_once(step: Step, columns: Mapping[str, str], moment: datetime) -> tuple[int, int, bool]:
    update, parameters = step.sql()
    sql = _all_in_one_sql(update, tuple(columns))
    parameters += (moment, *columns.values(), step.now, step.now)
    # Alone the statement is its own transaction. In another one it must leave that standing if the moment is taken.
    is_alone = not (connection.in_atomic_block or has_quota())
    with nullcontext() if is_alone else transaction.atomic(), connection.cursor() as cursor:
        let_prepare(cursor)
        try:
            cursor.execute(sql, parameters)
        except IntegrityError:
            raise MomentTaken from None
        row = cursor.fetchone()
        if row is None:
            raise _why_not(step)
        spend(cursor, row[0], 1, step.now)
    return row[0], row[1], bool(row[3])


@dataclass(frozen=True)
class Step:
    """A channel's next `count` entries: what the counter of the channel that `key` writes to is to be told of them.

    `last` are status and position of the last entry, `fields` for each field its newest value, how many entries before
    the last one it came (0 for the last itself), and when. With a `channel_number` the key must be that channel's.
    """

    key: str
    count: int
    last: Mapping[str, str | None]
    fields: Mapping[str, tuple[str, int, datetime]]
    last_at: datetime
    now: datetime
    bulk: bool = False
    channel_number: int | None = None

    def sql(self) -> tuple[str, list[Any]]:
        """Return the UPDATE with its parameters."""
        clock = "bulk_written_at" if self.bulk else "written_at"
        sql = _advance_sql(tuple(self.fields), tuple(plans()), clock, self.channel_number is not None)
        now = adapt(self.now)
        parameters: list[Any] = [self.count, self.count, adapt(self.last_at), now]
        parameters += (self.last[name] for name in _LAST)
        for value, before, at in self.fields.values():
            parameters += (value, self.count - before, adapt(at))
        parameters += (adapt(self.now - NOTE_EVERY), now, keyed_hash(self.key), now)
        if self.channel_number is not None:
            parameters.append(self.channel_number)
        for name, plan in plans().items():
            latest_good = adapt(_latest_good(self.now, plan.bulk_interval if self.bulk else plan.update_interval))
            parameters += (name, latest_good) if name else (latest_good,)
        parameters += (adapt(self.now + _CLOCK_ERROR), now)
        return sql, parameters


def advance(cursor: Any, step: Step) -> tuple[int, int, bool, bool]:
    """Give out the next entry numbers of a channel, and keep what it said last.

    The row of `Latest` stays locked until the transaction ends, so that numbers have neither gaps nor doubles.

    Returns the channel's number, the last entry id given out, whether the key's use is due to be noted, and whether the
    key is retiring. Raises UnknownKey or TooEarly.
    """
    cursor.execute(*step.sql())
    row = cursor.fetchone()
    if row is None:
        raise _why_not(step)
    return row[0], row[1], bool(row[2]), bool(row[3])


def _why_not(step: Step) -> UnknownKey | TooEarly:
    """Have the second look at which of the conditions failed; only now is it worth it."""
    good = ApiKey.objects.good_at(step.now).filter(writes=True).find(step.key)
    if good is None or step.channel_number not in (None, good.channel_id):
        return UnknownKey()
    return TooEarly()


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
        RETURNING platform_latest.channel_id AS number, last_entry_id AS entry_id, key_noted_at = %s AS is_noted_now,
            (SELECT used.expires_at IS NOT NULL FROM platform_apikey used WHERE used.id = platform_latest.key_used)
                AS is_retiring, key_used
    """  # noqa: S608  names of our own columns


@lru_cache(maxsize=512)
def _all_in_one_sql(update: str, columns: Sequence[str]) -> str:
    """The UPDATE, the INSERT and what `note_use` does as one statement, for PostgreSQL."""
    names = "".join(f", {name}" for name in columns)
    places = ", %s" * len(columns)
    return f"""
        WITH latest AS ({update}),
        entry AS (
            INSERT INTO platform_entry (channel_id, entry_id, created_at{names})
            SELECT number, entry_id, %s{places} FROM latest
        ),
        used AS (
            UPDATE platform_apikey SET last_used_at = %s, first_used_at = COALESCE(first_used_at, %s)
            FROM latest WHERE is_noted_now AND id = key_used
        )
        SELECT number, entry_id, is_noted_now, is_retiring FROM latest
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
    if not has_quota():
        return
    year_ago = adapt(now - YEAR)
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


def has_quota() -> bool:
    """Whether any plan limits the messages of a year; only then they are counted."""
    return any(plan.yearly_messages for plan in plans().values())


def adapt(moment: datetime) -> Any:
    """Return `moment` as raw SQL wants it: SQLite keeps moments as text in UTC."""
    return connection.ops.adapt_datetimefield_value(moment)
