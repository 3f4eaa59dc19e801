"""Play the drama on each database and print how it ended. `python -m soak --help` tells the options."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "var" / "soak"
DEFAULT_POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"
RUNS = {
    "sqlite": ("embedded", "sqlite"),
    "postgresql": ("embedded", "postgresql"),
    "thingspeak": ("thingspeak", "sqlite"),
}
"""What is played: with which channel platform, on which database."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m soak", description="Renew all keys under a fleet that measures.")
    parser.add_argument("--devices", type=int, default=50, help="how many thermometers (default %(default)s)")
    parser.add_argument(
        "--away",
        type=int,
        default=30,
        help="measurements that each takes while the portal or the platform is away (default %(default)s)",
    )
    parser.add_argument(
        "--period",
        type=float,
        default=1.0,
        help="seconds between two measurements of each (default %(default)s, the shortest that the platform takes)",
    )
    parser.add_argument("--seed", help="decides who is renewed when, and when what is killed; else a new one is made")
    parser.add_argument("--only", choices=RUNS, action="append", help="leave the others out; may be given twice")
    parser.add_argument(
        "--postgres",
        default=os.environ.get("SOAK_POSTGRES_URL", DEFAULT_POSTGRES),
        help="where a database may be created (SOAK_POSTGRES_URL), default %(default)s",
    )
    arguments = parser.parse_args()
    seed = arguments.seed or secrets.token_hex(4)
    results = {}
    for name in arguments.only or RUNS:
        platform, database = RUNS[name]
        print(f"=== {name}: {arguments.devices} devices, seed {seed} ===", flush=True)
        options = [f"--{name}={getattr(arguments, name)}" for name in ("devices", "away", "period")]
        results[name] = _play(platform, database, arguments.postgres, [*options, f"--seed={seed}"])
    for name, is_clean in results.items():
        if is_clean is None:
            print(f"{name}: left out, there is no PostgreSQL at {urlsplit(arguments.postgres).netloc}.")
        elif not is_clean:
            print(f"{name}: FAILED with seed {seed}.")
    return 0 if all(is_clean is not False for is_clean in results.values()) else 1


def _play(platform: str, database: str, postgres: str, options: list[str]) -> bool | None:
    """Play it; return whether it ended clean, None if the database is not there."""
    PLACE.mkdir(parents=True, exist_ok=True)
    # Not in /tmp, which may be memory: a database lies on a disk.
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="run-") as folder:
        try:
            with _database(database, Path(folder), postgres) as url:
                environment = {
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "portal.settings",
                    "DEBUG": "true",
                    "DATABASE_URL": url,
                    "CACHE_URL": "locmem://",
                    "CHANNEL_PLATFORM": platform,
                }
                command = [
                    sys.executable,
                    "-m",
                    "soak.engine",
                    f"--folder={folder}",
                    f"--platform={platform}",
                    *options,
                ]
                done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        except psycopg.OperationalError:
            return None
        if done.returncode != 0:
            kept = Path(tempfile.mkdtemp(dir=PLACE, prefix="failed-"))
            for log in Path(folder).glob("*.log"):
                log.rename(kept / log.name)
            print(f"The logs are in {kept.relative_to(ROOT)}.")
        return done.returncode == 0


@contextmanager
def _database(kind: str, folder: Path, postgres: str) -> Iterator[str]:
    """Return the address of an empty database, which is gone afterwards. Raises psycopg.OperationalError."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/portal.sqlite3"
        return
    name = f"keydist_soak_{os.getpid()}"
    server_url = postgres.replace("postgres://", "postgresql://", 1)
    with psycopg.connect(server_url, autocommit=True, connect_timeout=3) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    sys.exit(main())
