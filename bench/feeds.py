"""Reading out of a channel with millions of entries: how long, by which index, with how much memory."""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median
from typing import Any

import requests
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.checks import Checks
from bench.scenery import BigChannel
from bench.servers import Server

RESULTS = 8000
TRIES = 5


def read(server: Server, big: BigChannel, checks: Checks) -> list[dict[str, Any]]:
    """Read the newest entries, some from the middle, the last one and its age. Returns a row of the table for each."""
    middle = timezone.now() - timedelta(seconds=15 * big.entries // 2)
    window = f"start={middle - timedelta(days=2):%Y-%m-%d%%20%H:%M:%S}&end={middle:%Y-%m-%d%%20%H:%M:%S}"
    feed = f"/channels/{big.number}/feeds"
    reads = [
        (f"the newest {RESULTS} as JSON", f"{feed}.json?results={RESULTS}", True),
        (f"the newest {RESULTS} as CSV", f"{feed}.csv?results={RESULTS}", True),
        (f"{RESULTS} out of the middle", f"{feed}.json?results={RESULTS}&{window}", True),
        ("the last entry", f"{feed}/last.json", False),
        ("the age of the last entry", f"{feed}/last_data_age.json", False),
    ]
    return [_one(server, big, checks, *what) for what in reads]


def _one(server: Server, big: BigChannel, checks: Checks, title: str, path: str, from_feed: bool) -> dict[str, Any]:
    headers = {"X-THINGSPEAKAPIKEY": big.read_key}
    requests.get(server.url + path, headers=headers, timeout=60)
    server.forget_peaks()
    base = server.peak_megabytes()
    times = []
    for _ in range(TRIES):
        began = time.monotonic()
        answer = requests.get(server.url + path, headers=headers, timeout=60)
        times.append(time.monotonic() - began)
    peak = server.peak_megabytes()
    if from_feed:
        rows = answer.text.count("\n") - 1 if ".csv" in path else len(answer.json()["feeds"])
        checks.that(f"{title}: {rows} entries came", answer.status_code == 200 and rows == RESULTS)
    else:
        checks.that(f"{title}: answered", answer.status_code == 200)
    plans = _plans(path, big.read_key)
    touching = {sql: plan for sql, plan in plans.items() if "platform_entry" in sql}
    if from_feed:
        by_index = bool(touching) and all(_uses_index(plan) for plan in touching.values())
        checks.that(f"{title}: the entries are found by index", by_index)
    else:
        checks.that(f"{title}: the feed's table is not touched", bool(plans) and not touching)
    return {
        "title": title,
        "milliseconds": median(times) * 1000,
        "bytes": len(answer.content),
        "statements": len(plans),
        "plan": [line for plan in touching.values() for line in plan],
        "megabytes at rest": base,
        "megabytes at the peak": peak,
    }


def _plans(path: str, key: str) -> dict[str, list[str]]:
    """Return the statements of one request, each with the database's plan for it."""
    with CaptureQueriesContext(connection) as captured:
        Client(headers={"X-THINGSPEAKAPIKEY": key}).get(path, headers={"host": "127.0.0.1"})
    explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    plans = {}
    for query in captured.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(explain + query["sql"])
            plans[query["sql"]] = [str(row[-1]) for row in cursor.fetchall()]
    return plans


def _uses_index(plan: list[str]) -> bool:
    text = "\n".join(plan)
    return (
        ("Index Scan" in text or "USING INDEX" in text) and "Seq Scan" not in text and "SCAN platform_entry" not in text
    )
