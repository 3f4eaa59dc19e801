"""Databases for portals that tests start as processes of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from django.conf import settings
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
