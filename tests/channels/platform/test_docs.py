"""docs/platform.md says what is true."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from channels.platform import api, bulk, history, parameters, reading, settings_form, values
from channels.platform.views import keys, update
from channels.platform.views.history import MOST_IMPORT_BYTES

ROOT = Path(__file__).resolve().parents[3]
DOCS = (ROOT / "docs/platform.md").read_text(encoding="utf-8")
CHECKLIST = Path(__file__).with_name("test_checklist.py").read_text(encoding="utf-8")


def test_the_limits_are_those_of_the_code():
    for sentence in (
        f"| {settings.PLATFORM_UPDATE_INTERVAL:g} s | `PLATFORM_UPDATE_INTERVAL`",
        f"| {settings.PLATFORM_BULK_INTERVAL:g} s | `PLATFORM_BULK_INTERVAL`",
        f"| {settings.PLATFORM_BULK_LIMIT} | `PLATFORM_BULK_LIMIT`",
        f"| {update.MOST_MESSAGE_BYTES} bytes |",
        f"| {values.MOST_TEXT_BYTES} bytes of UTF-8 |",
        f"| {settings_form._MOST_CHARACTERS} characters |",
        f"| {settings_form._MOST_METADATA:,} characters |",
        f"| {reading.DEFAULT_RESULTS} without a range, {reading.MOST_RESULTS} with one |",
        f"| {history.MOST_ENTRIES:,} entries, {MOST_IMPORT_BYTES // 2**20} MiB |",
        f"| {api.ORDINARY // 1024} KiB, {parameters._MOST_PARAMETERS} parameters |",
    ):
        assert sentence in DOCS, sentence
    assert bulk.MOST_ENTRY_BYTES == update.MOST_MESSAGE_BYTES
    assert keys.MOST_OVERLAP.days == 365
    assert (settings.PLATFORM_YEARLY_MESSAGES, settings.PLATFORM_CHANNELS_PER_ACCOUNT) == (0, 0)


def rows(text: str) -> set[int]:
    """The numbers in "7–12", "2, 3", "19, 20 and 21"."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:–(\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_every_row_of_the_checklist_is_described_and_has_a_test():
    described = set[int]().union(*(rows(cell) for cell in re.findall(r"^\| ([\d, –]+) \|", DOCS, re.MULTILINE)))
    tested = set[int]().union(*(rows(cell) for cell in re.findall(r'"""Rows? ([\d, and]+)[.:( ]', CHECKLIST)))
    assert described == set(range(1, 41))
    assert tested == set(range(1, 41))
