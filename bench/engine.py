"""All measurements on one database, in a process of its own: `python -m bench` starts `python -m bench.engine`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import django
import requests
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

KNOWN_DEVICES = 5000
WITH_ETAG = 500
PACE = 1.0
NO_WRITE = "/update?api_key=none"
NO_INSERT = "/one-select?key=" + "0" * 64


def statements(method: str, path: str, **options: Any) -> int:
    """Return how many SQL statements one request takes, not counting BEGIN and COMMIT."""
    with CaptureQueriesContext(connection) as captured:
        answer = getattr(Client(headers={"host": "127.0.0.1"}), method)(path, **options)
    if answer.status_code not in (200, 202, 304):
        raise RuntimeError(f"{path} answers {answer.status_code} to the counting of its statements.")
    around = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return sum(not query["sql"].startswith(around) for query in captured.captured_queries)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Set everything up, measure, check, and return the results."""
    # These need Django, which is set up by now.
    from bench import cases, checks, feeds, load, scenery, servers

    keys = scenery.customers()
    devices = scenery.devices(keys, KNOWN_DEVICES)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    found = checks.Checks()
    log = Path(arguments.folder) / "servers.log"
    reference = {"DATABASE_URL": os.environ["BENCH_REFERENCE_DATABASE_URL"]}
    subprocess.run(
        [sys.executable, "-m", "bench.reference", str(KNOWN_DEVICES)], env={**os.environ, **reference}, check=True
    )
    began = time.monotonic()
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(servers.gunicorn(application, environment, log, harmless=harmless))
            for name, application, environment, harmless in (
                ("portal", "portal.wsgi", {"PLATFORM_UPDATE_INTERVAL": "0", "PLATFORM_BULK_INTERVAL": "0"}, NO_WRITE),
                ("paced portal", "portal.wsgi", {"PLATFORM_UPDATE_INTERVAL": str(PACE)}, NO_WRITE),
                ("reference", "bench.reference:application", reference, NO_INSERT),
            )
        }
        _warm(running, devices[0])
        stage = cases.Stage(devices, _etags(running["portal"].url, devices[:WITH_ETAG]), [key.lookup for key in keys])
        loads: dict[tuple[str, int], list[load.Load]] = {}
        for turn in range(arguments.rounds):
            for connections in arguments.connections:
                # Every other round backwards, so that no case always comes after the same other one.
                for case in cases.CASES if turn % 2 == 0 else reversed(cases.CASES):
                    if connections not in case.connections:
                        continue
                    stage.turn += 1
                    if case.asked_ago is not None:
                        scenery.last_asked(timedelta(seconds=case.asked_ago))
                    server = running[case.server]
                    script = case.script(stage)
                    result = load.run(script, server.url, connections=connections, seconds=arguments.seconds)
                    server.drain()
                    loads.setdefault((case.name, connections), []).append(result)
        measured_in = time.monotonic() - began
        _check(found, stage, loads)
        stage.turn += 1
        counts = {
            "update": _update_statements(devices[0]),
            "known": _known_statements(devices[0], stage.etags[devices[0].serial]),
        }
        big = scenery.big_channel(keys[0], arguments.entries)
        read = feeds.read(running["portal"], big, found)
    return {
        "cases": _summary(cases.CASES, loads),
        "reading": {"entries": big.entries, "filled in seconds": big.filled_in, "reads": read},
        "statements": counts,
        "right": found.right,
        "wrong": found.wrong,
        "seconds": measured_in,
        "database": _database(),
    }


def _warm(running: dict[str, Any], device: Any) -> None:
    """Let every worker load what it loads with its first request."""
    known = f"/midpoint/ws/iot/devices/{device.serial}?key={device.lookup}"
    for name, server in running.items():
        for address in (server.harmless, server.harmless if name == "reference" else known) * 3:
            server.ask_at_once(address)


def _etags(url: str, devices: list[Any]) -> dict[str, str]:
    found = {}
    for device in devices:
        answer = requests.get(f"{url}/midpoint/ws/iot/devices/{device.serial}", {"key": device.lookup}, timeout=20)
        found[device.serial] = answer.headers["ETag"]
    return found


def _update_statements(device: Any) -> dict[str, int]:
    from channels.platform.models import ApiKey, Latest

    def write() -> int:
        return statements("post", "/update", data={"api_key": device.write_key, "field1": "21.5"})

    Latest.objects.filter(channel=device.number).update(written_at=None, key_noted_at=None)
    ApiKey.objects.filter(channel=device.number).update(last_used_at=None)
    first = write()
    Latest.objects.filter(channel=device.number).update(written_at=None)
    return {"first in a minute": first, "then": write()}


def _known_statements(device: Any, etag: str) -> dict[str, int]:
    from bench import scenery

    path = f"/midpoint/ws/iot/devices/{device.serial}?key={device.lookup}"
    scenery.last_asked(timedelta(hours=1))
    counts = {"first in a while": statements("get", path), "then": statements("get", path)}
    scenery.last_asked(timedelta(hours=1))
    headers = {"if-none-match": etag}
    return counts | {"304, first in a while": statements("get", path, headers=headers)}


def _check(found: Any, stage: Any, loads: dict[tuple[str, int], list[Any]]) -> None:
    """Compare what is stored with what was confirmed."""
    from bench import cases, checks

    def confirmed(name: str) -> dict[str, int]:
        mine = [(connections, load) for (case, connections), all_ in loads.items() if case == name for load in all_]
        return {
            "accepted": sum(load.accepted for _, load in mine),
            "under_way": sum(connections for connections, _ in mine),
        }

    hasty = [device.number for device in stage.hasty]
    for name, devices, rows in (
        ("update", stage.unpaced, 1),
        ("update paced", stage.paced, 1),
        ("update too early", stage.hasty, 1),
        ("bulk", stage.bulky, cases.BULK_ROWS),
    ):
        checks.entries(found, name, [device.number for device in devices], rows=rows, **confirmed(name))
    checks.interval(found, "update too early", hasty, PACE)
    checks.devices(found, known=KNOWN_DEVICES, **confirmed("register"))
    found.that("no request failed", not any(load.failed or load.broken for all_ in loads.values() for load in all_))


def _summary(cases: Any, loads: Any) -> list[dict[str, Any]]:
    rows_of = {case.name: case.rows for case in cases}
    found = []
    for case in cases:
        for connections in case.connections:
            mine = loads.get((case.name, connections))
            if not mine:
                continue
            row: dict[str, Any] = {
                "case": case.name,
                "title": case.title,
                "connections": connections,
                "rate": median(load.rate for load in mine),
                "rows": case.rows,
                "p50": median(load.p50 for load in mine),
                "p99": median(load.p99 for load in mine),
                "refused": sum(load.refused for load in mine),
                "loads": [load.as_json() for load in mine],
            }
            if case.against:
                # Each round has its own ratio: what slows the machine for a minute slows both.
                per_request = case.rows / rows_of[case.against] if case.name == "bulk" else 1
                others = loads[(case.against, connections)]
                row["ratios"] = [one.rate * per_request / other.rate for one, other in zip(mine, others, strict=True)]
                row |= {"against": case.against, "ratio": median(row["ratios"]), "at least": case.at_least}
            found.append(row)
    return found


def _database() -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW server_version")
            return f"PostgreSQL {cursor.fetchone()[0]}"
        cursor.execute("SELECT sqlite_version()")
        return f"SQLite {cursor.fetchone()[0]}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--connections", type=int, nargs="+", required=True)
    parser.add_argument("--entries", type=int, required=True)
    arguments = parser.parse_args()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    (Path(arguments.folder) / "results.json").write_text(json.dumps(measure(arguments)))


if __name__ == "__main__":
    main()
