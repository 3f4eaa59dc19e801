"""`manage.py story`, run as people run it, on both platforms; the tests read what it told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings

# Seconds: for a story that would never end. On an idle machine it takes half a minute.
WITHIN = 600


@dataclass
class Told:
    """What a run of the story has told: its steps by number, and the summary."""

    status: int
    steps: dict[int, dict[str, Any]]
    summary: dict[str, Any]
    output: str

    def checks(self, number: int) -> str:
        return "\n".join(self.steps[number]["checks"])

    def exchanges(self, number: int, who: str = "") -> list[dict[str, Any]]:
        return [one for one in self.steps[number]["exchanges"] if who in one["who"]]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "story", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=WITHIN,
    )


def told(*arguments: str) -> Told:
    done = run("--json", *arguments)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return Told(done.returncode, {line["number"]: line for line in lines[:-1]}, lines[-1], done.stdout)


@pytest.fixture(scope="module", params=["embedded", "thingspeak"])
def story(request: pytest.FixtureRequest) -> Told:
    return told("--platform", request.param)


def test_the_story_is_true(story: Told) -> None:
    assert story.summary["failure"] == ""
    assert story.summary["ok"]
    assert story.status == 0


def test_it_has_seven_steps(story: Told) -> None:
    assert [step["title"] for step in story.steps.values()] == [
        "Homer signs up",
        "Homer finds his registration key",
        "Homer creates Household and Power plant, and invites Marge",
        "Two devices ask for their keys, and Homer moves them to their places",
        "The thermometer is set up, registers and measures",
        "Marge logs in and finds the temperature",
        "All keys are renewed while the thermometer keeps measuring",
    ]
    assert story.summary["steps"] == 7


def test_step_1_homer_signs_up(story: Told) -> None:
    sent = [one for one in story.exchanges(1, "Homer") if one["method"] == "POST"]
    assert [one["address"].split("/", 3)[3].split("/")[0] for one in sent][-3:] == ["signup", "accounts", "accounts"]
    assert "Homer is logged in" in story.checks(1)


def test_step_1_on_thingspeak_a_wrong_account_key_is_refused(story: Told) -> None:
    assert ("a wrong account key is refused, at its field" in story.checks(1)) == (
        story.summary["platform"] == "thingspeak"
    )


def test_step_2_homer_finds_his_registration_key(story: Told) -> None:
    assert "hidden until Homer asks" in story.checks(2)
    assert "Homer has his registration key" in story.checks(2)


def test_step_3_homer_invites_marge(story: Told) -> None:
    checks = story.checks(3)
    assert "Household is there" in checks
    assert "Power plant is there" in checks
    assert "Marge is invited into Household" in checks


def test_step_4_devices_get_their_envelopes(story: Told) -> None:
    asked = story.exchanges(4, "The device 74743827342")
    assert [one["status"] for one in asked] == [200, 200, 304]
    assert story.checks(4).count("opens the envelope") == 2
    assert "without a good registration key there is no envelope" in story.checks(4)
    assert "moved it to Power plant" in story.checks(4)


def test_step_5_the_thermometer_measures(story: Told) -> None:
    assert "measures 4 times and writes to channel" in story.checks(5)


def test_step_6_marge_sees_the_temperature_and_nothing_else(story: Told) -> None:
    checks = story.checks(6)
    for fact in (
        "draws what the thermometer has measured",
        "the address draws the same values",
        "without the key it draws nothing",
        "mentions “Power plant”",
        "nor a write key",
        "nor the registration key",
    ):
        assert fact in checks


def test_step_7_all_keys_are_renewed_and_nothing_is_lost(story: Told) -> None:
    checks = story.checks(7)
    for fact in (
        "the thermometer has fetched the new key by itself",
        "whoever writes with the old key is refused",
        "gets the new registration key in its envelope",
        "switched to the new registration key, without a serial cable",
        "the old registration key is good for nothing any more",
        "Marge finds another read key",
        "with her old key nobody reads anything any more",
        "taken meanwhile are in the channel, each exactly once",
    ):
        assert fact in checks
    on_pages = story.summary["platform"] == "thingspeak"
    assert ("renews write keys on its own pages" in checks) == on_pages
    assert ("says until when both are good" in checks) != on_pages


def test_no_key_of_step_7_is_told_in_full(story: Told) -> None:
    renewed = next(check for check in story.steps[7]["checks"] if "takes the place of" in check)
    assert [word.count("•") for word in renewed.split() if "•" in word] == [6, 6]


def test_no_password_and_no_secret_half_is_told(story: Told) -> None:
    assert "password1=••••••••" in story.output
    assert "HQ" not in story.output or "•" in story.output
    key = next(check for check in story.steps[2]["checks"] if "Homer has his registration key" in check)
    assert key.split()[-1].count("•") >= 6
