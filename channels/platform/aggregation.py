"""Feeds in steps of some minutes: the first value, the sum, the average, the median of each step.

Done in the database: first values, sums and averages on SQLite and PostgreSQL, medians on PostgreSQL. SQLite has no
median; there the rows of the step are read and the middle is taken here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from statistics import median
from typing import Any

from django.db import connection

from channels.platform.models import Channel
from channels.platform.parameters import Parameters
from channels.platform.reading import NUMBER, Row, Window, number_in, rows
from channels.platform.writing import adapt

KINDS = ("timescale", "sum", "average", "median")  # the first that was sent wins
_MINUTES = (10, 15, 20, 30, 60, 240, 720, 1440)
# Steps without an entry are filled in, as the original does, but not years of them.
_MOST_STEPS = 8000


@dataclass(frozen=True)
class Steps:
    """How to sum up a feed: what of each step, and how many minutes a step has."""

    kind: str
    minutes: int


def steps(asked: Parameters) -> Steps | None:
    """Return the first of `timescale`, `sum`, `average`, `median` with a value that the original knows, or None."""
    for kind in KINDS:
        text = (asked.text(kind) or "").strip()
        minutes = 1440 if text == "daily" else int(text) if text.isdecimal() and len(text) < 6 else 0
        if minutes in _MINUTES:
            return Steps(kind, minutes)
    return None


def summed_up(channel: Channel, part: Window, names: Sequence[str], by: Steps) -> list[Row]:
    """Return a row for each step: its start, None (steps have no entry id), and the value of each of `names`.

    `part.results` counts entries before they are summed up. Values are text; where nothing was a number it is None.
    """
    if part.results <= 0:
        return []
    if by.kind == "median" and connection.vendor != "postgresql":
        found = _medians_here(rows(channel, part, names), by.minutes)
    else:
        found = _in_database(channel, part, names, by)
    return _filled(found, by.minutes, len(names))


def _in_database(channel: Channel, part: Window, names: Sequence[str], by: Steps) -> list[Row]:
    bounds, parameters = _bounds(channel, part)
    seconds = by.minutes * 60
    if connection.vendor == "postgresql":
        epoch = "EXTRACT(EPOCH FROM created_at)"
    else:
        epoch = "CAST(strftime('%%s', created_at) AS REAL)"
    step = f"CAST(FLOOR({epoch} / {seconds}) AS BIGINT)"
    listed = "".join(f", {name}" for name in names)
    newest = f"""
        SELECT {step} AS step, created_at{listed} FROM platform_entry
        WHERE {bounds} ORDER BY created_at DESC LIMIT %s
    """  # noqa: S608  names of our own columns, everything else is a parameter
    if by.kind == "timescale":
        sql = f"""
            SELECT step{listed} FROM (
                SELECT newest.*, ROW_NUMBER() OVER (PARTITION BY step ORDER BY created_at) AS place
                FROM ({newest}) AS newest
            ) AS placed WHERE place = 1 ORDER BY step
        """  # noqa: S608
    else:
        values = "".join(f", {_summary(by.kind, name)}, {_comma(name)}" for name in names)
        sql = f"SELECT step{values} FROM ({newest}) AS newest GROUP BY step ORDER BY step"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, (*parameters, part.results))
        found = cursor.fetchall()
    if by.kind == "timescale":
        return [(_moment(row[0], seconds), None, *row[1:]) for row in found]
    return [
        (_moment(row[0], seconds), None, *(_text(row[i], row[i + 1]) for i in range(1, len(row), 2))) for row in found
    ]


def _bounds(channel: Channel, part: Window) -> tuple[str, list[Any]]:
    conditions, parameters = ["channel_id = %s"], [channel.number]
    for condition, bound in (("created_at >= %s", part.start), ("created_at <= %s", part.end)):
        if bound is not None:
            conditions.append(condition)
            parameters.append(adapt(bound))
    for condition, number in (("entry_id >= %s", part.first_id), ("entry_id <= %s", part.last_id)):
        if number is not None:
            conditions.append(condition)
            parameters.append(number)
    return " AND ".join(conditions), parameters


def _numeric(name: str) -> str:
    # The original counts the text NaN as 0.
    if connection.vendor == "postgresql":
        matches, cast = f"{name} ~ '{NUMBER}'", f"CAST(REPLACE({name}, ',', '.') AS DOUBLE PRECISION)"
    else:
        matches, cast = f"{name} REGEXP '{NUMBER}'", f"CAST(REPLACE({name}, ',', '.') AS REAL)"
    return f"CASE WHEN {matches} THEN {cast} WHEN LOWER(TRIM({name})) = 'nan' THEN 0.0 END"


def _summary(kind: str, name: str) -> str:
    if kind == "median":
        return f"PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY {_numeric(name)})"
    return f"{'SUM' if kind == 'sum' else 'AVG'}({_numeric(name)})"


def _comma(name: str) -> str:
    return f"MAX(CASE WHEN {name} LIKE '%%,%%' THEN 1 ELSE 0 END)"


def _text(number: float | None, comma: int) -> str | None:
    if number is None:
        return None
    written = repr(float(number))
    return written.replace(".", ",") if comma else written


def _medians_here(found: list[Row], minutes: int) -> list[Row]:
    seconds = minutes * 60
    summed = []
    for step, group in groupby(found, key=lambda row: int(row[0].timestamp() // seconds)):
        values = []
        for column in list(zip(*group, strict=True))[2:]:
            numbers = [number for text in column if (number := _number_or_nan(text)) is not None]
            comma = any("," in text for text in column if text)
            values.append(_text(median(numbers), comma) if numbers else None)
        summed.append((_moment(step, seconds), None, *values))
    return summed


def _number_or_nan(text: str | None) -> float | None:
    return 0.0 if text and text.strip().lower() == "nan" else number_in(text)


def _moment(step: int, seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=step * seconds)


def _filled(found: list[Row], minutes: int, width: int) -> list[Row]:
    if not found:
        return found
    length = timedelta(minutes=minutes)
    if (found[-1][0] - found[0][0]) / length > _MOST_STEPS:
        return found
    known = {row[0]: row for row in found}
    filled, moment = [], found[0][0]
    while moment <= found[-1][0]:
        filled.append(known.get(moment) or (moment, None, *[None] * width))
        moment += length
    return filled
