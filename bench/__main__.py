"""Run the measurements and write them down. `python -m bench --help` tells the options."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

from bench import load, report

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "var" / "bench"
DEFAULT_POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure how fast the portal is.")
    parser.add_argument("--quick", action="store_true", help="one short round with 8 connections: under a minute")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured; medians count")
    parser.add_argument("--seconds", type=int, default=2, help="length of one measurement")
    parser.add_argument("--entries", type=int, default=5_000_000, help="entries of the channel that is read from")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="leave the other database out")
    parser.add_argument(
        "--postgres",
        default=os.environ.get("BENCH_POSTGRES_URL", DEFAULT_POSTGRES),
        help="where databases may be created (BENCH_POSTGRES_URL), default %(default)s",
    )
    arguments = parser.parse_args()
    if not load.is_there():
        print("The load generator wrk is missing. Debian has it: apt-get install wrk")
        return 2
    options = ["--rounds", str(arguments.rounds), "--seconds", str(arguments.seconds), "--connections", "8", "32"]
    options += ["--entries", str(arguments.entries)]
    if arguments.quick:
        options = ["--rounds", "1", "--seconds", "1", "--connections", "8", "--entries", "500000"]
    began = time.monotonic()
    results: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": report.machine()}
    results["command"] = " ".join(["python -m bench", *sys.argv[1:]])
    results["databases"] = {}
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, databases in (("sqlite", _sqlite), ("postgresql", _postgres)):
        if arguments.only not in (None, name):
            continue
        # Not in /tmp, which may be memory: a database lies on a disk.
        with tempfile.TemporaryDirectory(dir=RESULTS, prefix="work-") as folder:
            try:
                with databases(Path(folder), arguments.postgres) as (url, reference_url):
                    print(f"Measuring on {name} …", flush=True)
                    results["databases"][name] = _measure(Path(folder), url, reference_url, options)
            except psycopg.OperationalError as error:
                print(f"PostgreSQL is left out: {str(error).strip()}")
                print("Start one (Debian: apt-get install postgresql) or name another by --postgres.")
                results["databases"][name] = None
    results["seconds"] = time.monotonic() - began
    path = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(results, indent=1))
    print(report.text(results))
    print(f"\nAll figures: {path.relative_to(ROOT)}")
    return 0 if report.is_right(results) else 1


def _measure(folder: Path, url: str, reference_url: str, options: list[str]) -> dict[str, Any]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DEBUG": "false",
        "SECRET_KEY": "bench-" * 10,
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "LOOKUP_HASH_KEY": "bench-" * 10,
        "EMAIL_URL": "dummy://",
        "CACHE_URL": "locmem://",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": url,
        "BENCH_REFERENCE_DATABASE_URL": reference_url,
    }
    command = [sys.executable, "-m", "bench.engine", "--folder", str(folder), *options]
    try:
        subprocess.run(command, env=environment, check=True, cwd=ROOT)
    except subprocess.CalledProcessError:
        log = folder / "servers.log"
        said = log.read_text()[-3000:] if log.exists() else "nothing"
        raise SystemExit(f"The measurement failed. The servers said:\n{said}") from None
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


@contextmanager
def _sqlite(folder: Path, _: str) -> Iterator[tuple[str, str]]:
    yield f"sqlite:///{folder}/portal.sqlite3", f"sqlite:///{folder}/reference.sqlite3"


@contextmanager
def _postgres(_: Path, url: str) -> Iterator[tuple[str, str]]:
    """Create two databases, and drop them afterwards. Raises psycopg.OperationalError if there is no PostgreSQL."""
    names = [f"keydist_bench_{os.getpid()}", f"keydist_bench_{os.getpid()}_reference"]

    def each(statement: str) -> None:
        with psycopg.connect(
            url.replace("postgres://", "postgresql://", 1), autocommit=True, connect_timeout=3
        ) as server:
            for name in names:
                server.execute(sql.SQL(statement).format(sql.Identifier(name)))

    each("CREATE DATABASE {}")
    try:
        first, second = (urlunsplit(urlsplit(url)._replace(path=f"/{name}")) for name in names)
        yield first, second
    finally:
        each("DROP DATABASE IF EXISTS {} WITH (FORCE)")


if __name__ == "__main__":
    sys.exit(main())
