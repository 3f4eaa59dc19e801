"""Step 5: a real software thermometer, set up on its console and switched on; it goes on measuring in step 7."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from django.conf import settings

from portal.story.device import SERIALS
from portal.story.telling import StoryFailed

if TYPE_CHECKING:
    from portal.story.play import Story

MEASUREMENTS = 4
_WITHIN = 120.0
_LOOK_EVERY = 0.1
_QUESTION = re.compile(r"((?:\)|\]): )")
_SUMMARY = re.compile(r"; ([0-9]+) measured, ([0-9]+) stored, ([0-9]+) waiting")
_STORED = re.compile(r"(-?[0-9.]+) °C stored in channel ([0-9]+) as entry ([0-9]+)")


def play(story: Story) -> None:
    """Homer types the key into the thermometer of the kitchen, switches it on, and it measures."""
    expect = story.teller.expect
    state = _state_of(story)
    typed = [story.key.text.lower(), story.stage.portal, "1", "Kitchen"]
    said = _run("configure", "--state", str(state), "--serial", SERIALS["Kitchen"], typed=typed)
    story.teller.remark(f"On its console Homer types the key in small letters, {story.key.text}, and the address.")
    # What is typed is not echoed here, so the questions stand in one line.
    for line in _QUESTION.sub(r"\1\n", said).splitlines():
        story.teller.remark(f"The thermometer says: {line.strip()}")
    expect(
        state.is_file() and stat.S_IMODE(state.stat().st_mode) == 0o600,
        "the thermometer is set up; what it knows is for its owner alone (mode 0600)",
    )
    expect(story.key.secret not in state.read_text(encoding="utf-8"), "it has kept no registration key in clear")
    said = _run("run", "--state", str(state), "--count", str(MEASUREMENTS))
    for line in said.splitlines():
        story.teller.remark(f"The thermometer says: {line}")
    stored = _STORED.findall(said)
    channel = str(story.payloads["Kitchen"].channel)
    expect(
        len(stored) == MEASUREMENTS and {number for _, number, _ in stored} == {channel},
        f"it registers, opens its envelope, measures {MEASUREMENTS} times and writes to channel {channel}",
        instead=said,
    )
    story.measured = [value for value, _, _ in stored]


def _state_of(story: Story) -> Path:
    return story.stage.folder / "thermometer" / "state.json"


class RunningThermometer:
    """The thermometer of the kitchen, measuring in the background while the `with` block runs."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._log = story.stage.folder / "thermometer.log"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "devices.thermometer", "run", "--state", str(_state_of(self._story))]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                # Homer does not want to wait for a day.
                [*command, "--poll", "2"],
                cwd=settings.BASE_DIR,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._story.teller.remark("The thermometer is switched on, and looks for new keys every two seconds.")
        return self

    def __exit__(self, *_how: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def expect_to_say(self, words: str) -> None:
        """Wait until it says that. Raises StoryFailed if it does not."""
        self._wait(lambda: words in self._said, f"the thermometer says “{words}”")
        line = next(line for line in self._said.splitlines() if words in line)
        self._story.teller.remark(f"The thermometer says: {line.strip()}")

    def expect_to_store(self, count: int) -> None:
        """Wait until it has stored so many measurements more. Raises StoryFailed if it does not."""
        before = len(_STORED.findall(self._said))
        self._wait(lambda: len(_STORED.findall(self._said)) >= before + count, "the thermometer goes on measuring")
        self._story.teller.expect(True, f"the thermometer goes on: {_STORED.findall(self._said)[-1][0]} °C stored")

    def finish(self) -> tuple[int, int]:
        """Let it take one more measurement and send what it has kept. Return how many it took, and how many it keeps.

        It has been switched off before.
        """
        said = _run("run", "--state", str(_state_of(self._story)), "--count", "1")
        numbers = [[int(number) for number in found] for found in _SUMMARY.findall(self._said + said)]
        return sum(measured for measured, _, _ in numbers), numbers[-1][2]

    @property
    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        give_up_at = time.monotonic() + _WITHIN
        while not is_so():
            if time.monotonic() > give_up_at or self._process.poll() is not None:
                raise StoryFailed(f"Expected: {what}. It says: {self._said[-500:].strip()}")
            time.sleep(_LOOK_EVERY)


def _run(*arguments: str, typed: list[str] | None = None) -> str:
    """Run the thermometer's program and return what it printed. Raises StoryFailed when it gives up."""
    command = [sys.executable, "-m", "devices.thermometer", *arguments]
    try:
        done = subprocess.run(  # noqa: S603  our own program
            command,
            cwd=Path(settings.BASE_DIR),
            input="".join(f"{line}\n" for line in typed or []),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_WITHIN,
        )
    except subprocess.TimeoutExpired:
        raise StoryFailed(f"Expected: the thermometer is done within {_WITHIN:g} seconds. It is not.") from None
    if done.returncode != 0:
        raise StoryFailed(f"Expected: the thermometer can {arguments[0]}. It says: {done.stdout.strip()}")
    return done.stdout
