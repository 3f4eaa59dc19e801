"""The figures as a table that people read, and as Markdown takes it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split("[")[0].strip()
    return {
        "cores": str(os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "cpu": cpu,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("django", "djangorestframework", "gunicorn", "psycopg")},
        "wrk": wrk,
    }


def is_right(results: dict[str, Any]) -> bool:
    """Whether the databases hold what they should. That a figure falls short is no error of the measurement."""
    return not any(found["wrong"] for found in results["databases"].values() if found)


def text(results: dict[str, Any]) -> str:
    """Return everything worth reading."""
    return "\n".join(_lines(results))


def _lines(results: dict[str, Any]) -> Iterator[str]:
    facts = results["machine"]
    yield ""
    yield f"{results['at']}, {results['command']}, {results['seconds']:.0f} s"
    yield ", ".join(f"{name} {value}" for name, value in facts.items())
    for found in results["databases"].values():
        if not found:
            continue
        yield f"\n### {found['database']}\n"
        yield from _cases(found["cases"])
        yield ""
        yield from _reading(found["reading"])
        yield ""
        for name, counts in found["statements"].items():
            yield f"- SQL statements, {name}: " + ", ".join(f"{count} ({when})" for when, count in counts.items())
        yield from (f"- {sentence}" for sentence in found["right"])
        yield from (f"- **WRONG**: {sentence}" for sentence in found["wrong"])


def _cases(cases: list[dict[str, Any]]) -> Iterator[str]:
    header = ("case", "connections", "a second", "p50 ms", "p99 ms", "ratio", "at least", "")
    rows = []
    for case in cases:
        rate = f"{case['rate']:.0f}" + (f" ({case['rate'] * case['rows']:.0f} rows)" if case["rows"] > 1 else "")
        ratio, least, verdict = "", "", ""
        if "ratio" in case:
            ratio, least = f"{case['ratio']:.2f}", f"{case['at least']:g}"
            verdict = "reached" if case["ratio"] >= case["at least"] else "SHORT"
        times = f"{case['p50']:.1f}", f"{case['p99']:.1f}"
        rows.append((case["title"], str(case["connections"]), rate, *times, ratio, least, verdict))
    yield from _table(header, rows)


def _reading(reading: dict[str, Any]) -> Iterator[str]:
    seconds = reading["filled in seconds"]
    yield f"Reading from a channel with {reading['entries']:,} entries (filled in {seconds:.0f} s):\n"
    header = ("what", "ms", "KB", "statements", "memory at rest, at the peak", "plan")
    yield from _table(
        header,
        [
            (
                read["title"],
                f"{read['milliseconds']:.0f}",
                f"{read['bytes'] / 1024:.0f}",
                str(read["statements"]),
                f"{read['megabytes at rest']:.0f} MB, {read['megabytes at the peak']:.0f} MB",
                next((line.strip() for line in read["plan"] if "ndex" in line or "INDEX" in line), "–"),
            )
            for read in reading["reads"]
        ],
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    yield line(header)
    yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    yield from map(line, rows)
