"""What docs/renewal.md draws is what the tables of transitions say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from channels.attempts import AGAIN
from channels.models import MOVES as KEY_MOVES
from channels.models import ChannelKey, KeyState
from channels.renewal_models import RENEWAL_MOVES, Renewal, RenewalState
from channels.renewal_policy import SPREAD

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs/renewal.md").read_text(encoding="utf-8")
DIAGRAMS = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(
    ("diagram", "moves", "first"),
    [
        (DIAGRAMS[0], KEY_MOVES, {KeyState.PENDING, KeyState.CURRENT}),
        (DIAGRAMS[1], RENEWAL_MOVES, {RenewalState.STARTED}),
    ],
    ids=["key", "renewal"],
)
def test_a_diagram_shows_exactly_the_moves_that_there_are(
    diagram: str, moves: Mapping[str, frozenset[str]], first: set[str]
) -> None:
    drawn = set(re.findall(r"^ +(\S+) --> (\S+)$", diagram, re.MULTILINE))
    assert {(old, new) for old, new in drawn if old != "[*]"} == {
        (str(old), str(new)) for old, following in moves.items() for new in following
    }
    assert {new for old, new in drawn if old == "[*]"} == {str(state) for state in first}


def test_what_begins_is_what_the_models_begin_with() -> None:
    assert ChannelKey._meta.get_field("state").default in (KeyState.PENDING, KeyState.CURRENT)
    assert Renewal._meta.get_field("state").default == RenewalState.STARTED


def test_the_times_in_the_text_are_those_of_the_code() -> None:
    minutes = [int(wait.total_seconds() // 60) for wait in AGAIN]
    assert minutes == [1, 5, 15, 60]
    assert "after 1, 5 and 15 minutes, then every hour" in re.sub(r"\s+", " ", TEXT)
    assert SPREAD == 0.1
    assert "a tenth of that time" in TEXT
