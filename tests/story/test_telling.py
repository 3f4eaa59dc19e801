"""What is told, and what is kept secret."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from portal.story.telling import JSONLines, Narrator, StoryFailed, Teller

SECRET = "X7Q2LPM4ZK9RT0VB"


def teller(kind: type[Narrator] | type[JSONLines]) -> tuple[Teller, io.StringIO]:
    output = io.StringIO()
    return Teller(kind(Console(file=output, width=100))), output


def tell(kind: type[Narrator] | type[JSONLines], *, failing: str = "") -> tuple[bool, str]:
    teller_, output = teller(kind)
    teller_.open("http://portal.test", "embedded")
    teller_.keep_secret(SECRET)
    teller_.begin(1, "Homer signs up")
    sent = {"password1": "donuts", "api_key": SECRET}
    teller_.exchanged("Homer", "POST", f"http://portal.test/x?key={SECRET}", sent, 200, f"got [{SECRET}]")
    teller_.remark(f"It says [red]{SECRET}[/red].")
    teller_.expect(True, f"the key is {SECRET}")
    teller_.end(failing)
    return teller_.close(), output.getvalue()


@pytest.mark.parametrize("kind", [Narrator, JSONLines])
def test_a_secret_is_masked_wherever_it_turns_up(kind: type[Narrator] | type[JSONLines]) -> None:
    _, output = tell(kind, failing=f"It broke at {SECRET}.")
    assert SECRET not in output
    assert "X7Q2••••••••••••" in output


@pytest.mark.parametrize("kind", [Narrator, JSONLines])
def test_passwords_are_masked_by_their_name(kind: type[Narrator] | type[JSONLines]) -> None:
    _, output = tell(kind)
    assert "donuts" not in output
    assert "password1=••••••••" in output


def test_a_short_secret_shows_less_of_itself() -> None:
    teller_, output = teller(Narrator)
    teller_.open("", "")
    teller_.keep_secret("1JWORF43")
    teller_.begin(1, "")
    teller_.remark("HQ481047-1JWORF43")
    assert "HQ481047-1J••••••" in output.getvalue()


def test_square_brackets_are_no_markup() -> None:
    _, output = tell(Narrator)
    assert "[red]" in output


def test_json_is_a_line_a_step_and_a_summary() -> None:
    went_well, output = tell(JSONLines)
    step, summary = map(json.loads, output.splitlines())
    assert went_well
    assert (step["number"], step["title"], step["ok"]) == (1, "Homer signs up", True)
    assert step["exchanges"][0]["address"] == "http://portal.test/x?key=X7Q2••••••••••••"
    assert step["checks"] == ["the key is X7Q2••••••••••••"]
    assert summary | {"seconds": 0} == {
        "summary": True,
        "ok": True,
        "portal": "http://portal.test",
        "platform": "embedded",
        "steps": 1,
        "checks": 1,
        "failure": "",
        "seconds": 0,
    }


def test_a_failure_is_in_the_step_and_in_the_summary() -> None:
    went_well, output = tell(JSONLines, failing="Expected: donuts.")
    step, summary = map(json.loads, output.splitlines())
    assert not went_well
    assert (step["ok"], step["failure"]) == (False, "Expected: donuts.")
    assert (summary["ok"], summary["failure"]) == (False, "Expected: donuts.")


def test_people_are_told_where_the_story_ended() -> None:
    _, output = tell(Narrator, failing="Expected: donuts.")
    assert "✗ Expected: donuts." in output
    assert "The story ends in step 1." in output


def test_what_is_not_as_expected_ends_the_story_with_a_sentence() -> None:
    teller_, _ = teller(Narrator)
    teller_.open("", "")
    teller_.keep_secret(SECRET)
    teller_.begin(1, "")
    with pytest.raises(StoryFailed, match=r"^Expected: Marge sees it\. Instead: nothing but X7Q2•+$"):
        teller_.expect(False, "Marge sees it.", instead=f"nothing but {SECRET}")


def test_a_story_without_steps_is_not_true() -> None:
    teller_, _ = teller(JSONLines)
    teller_.open("", "")
    assert not teller_.close()
