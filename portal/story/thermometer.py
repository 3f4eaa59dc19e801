"""Step 5: a real software thermometer, set up on its console and switched on."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from portal.story.device import SERIALS
from portal.story.telling import StoryFailed

if TYPE_CHECKING:
    from portal.story.play import Story

MEASUREMENTS = 4
_WITHIN = 120.0
_QUESTION = re.compile(r"((?:\)|\]): )")
_STORED = re.compile(r"(-?[0-9.]+) °C stored in channel ([0-9]+) as entry ([0-9]+)")


def play(story: Story) -> None:
    """Homer types the key into the thermometer of the kitchen, switches it on, and it measures."""
    expect = story.teller.expect
    state = story.stage.folder / "thermometer" / "state.json"
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
