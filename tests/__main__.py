"""Run the tests on everything that this machine has: SQLite, then PostgreSQL with Redis.

The browser tests are run on PostgreSQL, as customers have it; those that play what people do with each other
(`on_every_database`) on both. Where there is no PostgreSQL all are run on SQLite.

`python -m tests [pytest arguments]`. What is not there is left out and named in the closing lines, with what to do to
have it; with CI set in the environment nothing may be left out, and that is a failure instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import psycopg
import redis

POSTGRES_URL = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_CACHE_URL", "redis://127.0.0.1:6379/15")


def missing() -> dict[str, str]:
    """Return what this machine lacks, with what to do about it."""
    lacks = {}
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=3).close()
    except psycopg.OperationalError:
        lacks["the whole run on PostgreSQL"] = (
            "start a server and set TEST_DATABASE_URL=postgres://USER:PASSWORD@HOST/DB"
        )
    try:
        redis.Redis.from_url(REDIS_URL, socket_connect_timeout=3).ping()
    except redis.RedisError:
        lacks["the cache on Redis"] = "start a server and set TEST_CACHE_URL=redis://HOST:6379/15"
    if not (shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")):
        lacks["the browser tests"] = "apt-get install chromium"
    return lacks


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def pytest(title: str, arguments: list[str], **environment: str) -> int:
    say(f"\n=== {title} ===")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "auto", "--dist", "loadscope", *arguments],
        env={**os.environ, **environment},
        check=False,
    )
    return run.returncode


def main() -> int:
    arguments = sys.argv[1:]
    lacks = missing()
    if lacks and os.environ.get("CI"):
        for what, remedy in lacks.items():
            say(f"In CI nothing may be left out, but {what} cannot run here: {remedy}")
        return 1
    comes_again = "the whole run on PostgreSQL" not in lacks
    some = ["-m", "not browser or on_every_database"] if comes_again else []
    results = [pytest("SQLite", [*some, *arguments], DATABASE_URL="", CACHE_URL="")]
    if comes_again:
        cache = "" if "the cache on Redis" in lacks else REDIS_URL
        title = "PostgreSQL" + (" with Redis" if cache else "")
        results.append(pytest(title, arguments, DATABASE_URL=POSTGRES_URL, CACHE_URL=cache))
    for what, remedy in lacks.items():
        say(f"Left out: {what}. To have it: {remedy}.")
    if not lacks:
        say("Nothing was left out.")
    return max(results)


if __name__ == "__main__":
    sys.exit(main())
