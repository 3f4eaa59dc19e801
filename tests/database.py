"""Databases for portals that tests start as processes of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import AutoField
from psycopg import sql


@contextmanager
def own_database(folder: Path) -> Iterator[str]:
    """Yield the DATABASE_URL of an empty database of the kind that the tests run on; it is gone afterwards."""
    default = settings.DATABASES["default"]
    if "postgresql" not in default["ENGINE"]:
        yield f"sqlite:///{folder}/db.sqlite3"
        return
    name = f"keydist_browser_{secrets.token_hex(6)}"
    login = {"host": default["HOST"] or None, "port": default["PORT"] or None}
    login |= {"user": default["USER"] or None, "password": default["PASSWORD"] or None}
    with psycopg.connect(dbname="postgres", autocommit=True, **login) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            who = quote(default["USER"]) + (f":{quote(default['PASSWORD'])}" if default["PASSWORD"] else "")
            where = f"{default['HOST'] or 'localhost'}:{default['PORT'] or 5432}"
            yield f"postgres://{who}@{where}/{name}"
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def number_each_table_from_afar() -> None:
    """Let the numbers of each table begin at a million of its own.

    What numbers a test finds depends on the tests that ran before it. So none may be equal to one that is written by
    hand in a test (a channel 11), or to that of another table, by chance, once in a hundred runs.
    """
    keys = (model._meta.pk for model in apps.get_models(include_auto_created=True))
    numbered = sorted((key.model._meta.db_table, key.column) for key in keys if isinstance(key, AutoField))
    with connection.cursor() as cursor:
        for million, (table, column) in enumerate(numbered, start=1):
            last = million * 1_000_000
            if connection.vendor == "postgresql":
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [f'"{table}"', column, last])
            else:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last])
