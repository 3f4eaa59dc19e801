"""What is written with the ORM, compiled once a process, and run as plain SQL from then on.

For devices that ask for their keys, and for those that register: building and compiling the largest query costs
1.4 ms, running it 0.05 ms. PostgreSQL needs another 2.4 ms to plan its joins, so there it is prepared as well and
planned once a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection, models
from django.db.models import Field, Model, QuerySet
from django.db.models.sql import UpdateQuery


@dataclass(frozen=True)
class _Compiled:
    sql: str
    parameters: tuple[Any, ...]
    compiler: Any
    converters: dict[int, Any]


class CompiledQuery:
    """Calls `build(**parameters)` once, with stand-ins, and afterwards only puts the values in.

    `build` returns a `values_list` queryset in which each of the named text parameters occurs as it was given.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], *names: str) -> None:
        self._build = build
        self._names = names

    @cached_property
    def _compiled(self) -> _Compiled:
        stand_ins = {name: f"stand-in for {name}" for name in self._names}
        query = self._build(**stand_ins).query
        compiler = query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        if missing := [name for name, value in stand_ins.items() if value not in parameters]:
            raise ValueError(f"The query does not use {', '.join(missing)}.")
        names = {value: name for name, value in stand_ins.items()}
        places = tuple((names[value],) if value in names else value for value in parameters)
        converters = compiler.get_converters([expression for expression, *_ in compiler.select])
        return _Compiled(sql, places, compiler, converters)

    def first(self, **parameters: str) -> tuple[Any, ...] | None:
        """Return the first row for these values, with the types of the model's fields, or None."""
        compiled = self._compiled
        values = [parameters[place[0]] if isinstance(place, tuple) else place for place in compiled.parameters]
        with connection.cursor() as cursor:
            let_prepare(cursor)
            cursor.execute(compiled.sql, values)
            row = cursor.fetchone()
        if row is None:
            return None
        (converted,) = compiled.compiler.apply_converters([row], compiled.converters)
        return tuple(converted)


def let_prepare(cursor: Any) -> None:
    """On PostgreSQL, let `cursor` send parameters apart from the text, so that the server knows the text again.

    Django's own cursors write parameters into the text. psycopg prepares what it has sent a few times, if the
    database's option `prepare_threshold` allows it (behind a pooler that gives each transaction another connection it
    must not). While Django logs queries its own cursor stays: the log could not tell the text of the other.
    """
    if connection.vendor != "postgresql" or connection.queries_logged:
        return
    if connection.connection.prepare_threshold is not None:
        cursor.cursor.close()
        cursor.cursor = psycopg.Cursor(connection.connection)


Parameter = int | datetime | UUID


class CompiledUpdate:
    """An UPDATE that is compiled once: `build(**parameters)` returns a queryset and what to set in its rows.

    `example` gives for each parameter a value of its type that occurs nowhere else in the statement. With `may_be_lost`
    the statement does not wait for the disk on PostgreSQL (if it is a transaction of its own): when the database
    server crashes, what was written in the last second may be gone. For what is noted, not for what is promised.
    """

    def __init__(
        self,
        build: Callable[..., tuple[QuerySet[Any, Any], dict[str, Any]]],
        *,
        may_be_lost: bool = False,
        **example: Parameter,
    ) -> None:
        self._build = build
        self._example = example
        self._may_be_lost = may_be_lost

    @cached_property
    def _compiled(self) -> tuple[str, tuple[Any, ...]]:
        queryset, values = self._build(**self._example)
        query: Any = queryset.query.chain(UpdateQuery)
        query.add_update_values(values)
        sql, parameters = query.get_compiler(connection=connection).as_sql()
        names = {_adapted(value): name for name, value in self._example.items()}
        if missing := [name for value, name in names.items() if value not in parameters]:
            raise ValueError(f"The statement does not use {', '.join(missing)}.")
        if self._may_be_lost and connection.vendor == "postgresql":
            sql += " AND set_config('synchronous_commit', 'off', true) = 'off'"
        return sql, tuple((names[value],) if value in names else value for value in parameters)

    def run(self, **parameters: Parameter) -> int:
        """Run it with these values; return how many rows have changed."""
        sql, places = self._compiled
        values = [_adapted(parameters[place[0]]) if isinstance(place, tuple) else place for place in places]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return int(cursor.rowcount)


def _adapted(value: Parameter) -> Any:
    """Return the value as the database takes it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID) and not connection.features.has_native_uuid_field:
        return value.hex
    return value


def insert(*instances: Model) -> None:
    """Insert new rows, each with its own statement, and give those their primary keys that the database makes.

    What `save(force_insert=True)` does, without signals and at an eighth of the cost.
    """
    for instance in instances:
        _insert(instance, "")


def insert_new(instance: Model) -> bool:
    """Insert a new row like `insert`, unless a unique constraint is against it; return whether it is there now.

    Unlike an IntegrityError that needs no savepoint. Only for models whose primary key the database makes.
    """
    return _insert(instance, " ON CONFLICT DO NOTHING")


def _insert(instance: Model, unless: str) -> bool:
    sql, returning, readers = _insert_into(type(instance), connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql + unless + returning, [read(instance) for read in readers])
        if returning:
            row = cursor.fetchone()
            if row is None:
                return False
            instance.pk = row[0]
    instance._state.adding, instance._state.db = False, connection.alias
    return True


Reader = Callable[[Model], Any]
# What Django hands to the database as it is. Of others it is asked each time: they encrypt, or put in the moment.
_PLAIN = (models.CharField, models.TextField, models.PositiveIntegerField, models.BigIntegerField, models.ForeignKey)


@cache
def _insert_into(model: type[Model], _vendor: str) -> tuple[str, str, list[Reader]]:
    key = model._meta.pk
    makes_key = bool(key.db_returning)
    fields = [field for field in model._meta.local_concrete_fields if not (makes_key and field is key)]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    returning = f" RETURNING {quote(str(key.column))}" if makes_key else ""
    marks = ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({marks})"  # noqa: S608
    return sql, returning, [_reader(field) for field in fields]


def _reader(field: Field[Any, Any]) -> Reader:
    """Return how to get from an instance what its row is to hold in the field's column."""
    if type(field) in _PLAIN:
        return attrgetter(field.attname)
    if type(field) is models.DateTimeField and not (field.auto_now or field.auto_now_add):
        return lambda instance: _moment(getattr(instance, field.attname))
    return lambda instance: field.get_db_prep_save(field.pre_save(instance, True), connection)


def _moment(value: datetime | None) -> Any:
    return None if value is None else connection.ops.adapt_datetimefield_value(value)
