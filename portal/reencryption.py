"""Encrypting everything at rest anew under the newest master key, while the portal runs.

Every column of type EncryptedTextField of every model is found by looking at the models, and so are the second factors
of people. A row is replaced only if it still is what was read: whoever writes at the same moment wins, and has written
under the newest key if their process has been restarted with it. A run that was interrupted is simply begun again: what
is done is recognized and left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import connections, router
from django.db.models import Field, Model

from channels import vault

BATCH = 500


@dataclass
class Column:
    """A column with secrets in it. `renew` returns the stored text under the newest key, or the very same text."""

    model: type[Model]
    field: Field[Any, Any]
    renew: Callable[[str], str]

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    def rows(self) -> Iterator[list[tuple[Any, str]]]:
        """Return primary keys and stored texts in batches, by primary key."""
        last: Any = None
        while batch := self._after(last):
            yield batch
            last = batch[-1][0]

    def _after(self, last: Any) -> list[tuple[Any, str]]:
        table, pk, column = self._names
        where = f"{column} IS NOT NULL" + ("" if last is None else f" AND {pk} > %s")
        return self._run(
            f"SELECT {pk}, {self._as_text(column)} FROM {table} WHERE {where} ORDER BY {pk} LIMIT {BATCH}",  # noqa: S608
            [] if last is None else [last],
        )

    def replace(self, pk: Any, old: str, new: str) -> bool:
        """Store `new` if `old` is still there."""
        table, pk_name, column = self._names
        as_text = self._as_text(column)
        sql = f"UPDATE {table} SET {column} = %s WHERE {pk_name} = %s AND {as_text} = %s"  # noqa: S608
        with self._connection.cursor() as cursor:
            cursor.execute(sql, [new, pk, old])
            return bool(cursor.rowcount)

    def count(self) -> int:
        """Return how many secrets there are."""
        table, _pk, column = self._names
        return int(self._run(f"SELECT COUNT(*) FROM {table} WHERE {column} IS NOT NULL", [])[0][0])  # noqa: S608

    @property
    def _connection(self) -> Any:
        return connections[router.db_for_write(self.model)]

    @property
    def _names(self) -> tuple[str, str, str]:
        quote = self._connection.ops.quote_name
        meta = self.model._meta
        return quote(meta.db_table), quote(meta.pk.column), quote(self.field.column)

    def _as_text(self, column: str) -> str:
        # JSON is compared as the text that was read.
        return f"CAST({column} AS text)" if self.field.get_internal_type() == "JSONField" else column

    def _run(self, sql: str, parameters: list[Any]) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())


@dataclass
class Outcome:
    """What became of the secrets of one column."""

    done: int = 0
    """Encrypted anew."""
    current: int = 0
    """Were under the newest key already."""
    overtaken: int = 0
    """Replaced or deleted by somebody else in the meantime."""
    unreadable: int = 0
    """No key of ours opens them."""


def columns() -> list[Column]:
    """Return all columns that hold secrets, wherever they are."""
    found = [
        Column(model, field, vault.reencrypt)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, vault.EncryptedTextField) and not model._meta.proxy and field.model is model
    ]
    return [*found, Column(Authenticator, Authenticator._meta.get_field("data"), _second_factor)]


def reencrypt(column: Column, *, tell: Callable[[int], None] = lambda count: None) -> Outcome:
    """Bring every secret of the column under the newest key; `tell` hears after each batch how many were looked at."""
    outcome = Outcome()
    for batch in column.rows():
        for pk, stored in batch:
            _renew(column, pk, stored, outcome)
        tell(len(batch))
    return outcome


def _renew(column: Column, pk: Any, stored: str, outcome: Outcome) -> None:
    try:
        new = column.renew(stored)
    except vault.CannotDecrypt:
        outcome.unreadable += 1
        return
    if new == stored:
        outcome.current += 1
    elif column.replace(pk, stored, new):
        outcome.done += 1
    else:
        outcome.overtaken += 1


def needing_an_old_key(column: Column) -> Iterator[Any]:
    """Return the primary keys of the rows that are not under the newest key, those that no key opens included."""
    for batch in column.rows():
        for pk, stored in batch:
            try:
                if column.renew(stored) != stored:
                    yield pk
            except vault.CannotDecrypt:
                yield pk


def _second_factor(stored: str) -> str:
    """Return the JSON of a second factor with the secrets in it under the newest key; allauth encrypts texts alone."""
    old = json.loads(stored)
    new = _each_text(old)
    return stored if new == old else json.dumps(new)


def _each_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _each_text(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_each_text(one) for one in value]
    return vault.reencrypt(value) if isinstance(value, str) and vault.is_encrypted(value) else value
