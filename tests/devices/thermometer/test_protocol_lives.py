"""Whole lives as docs/device-protocol.md states them, lived by the thermometer along every arrow of its diagram."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.devices.thermometer.conftest import Bench
from tests.devices.thermometer.world import FakeClock, Reply, Request, World

DOCUMENT = (Path(__file__).parents[3] / "docs" / "device-protocol.md").read_text(encoding="utf-8")
(DIAGRAM,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", DOCUMENT, re.DOTALL)
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
LIVES: list[dict[str, Any]] = next(block["lives"] for block in BLOCKS if "lives" in block)

PORTAL = {
    "good": None,
    "away": Reply(then_drop=True),
    "503": Reply(503, "error=try_later Later.", {"Retry-After": "30"}),
    "403": Reply(403, "error=key_not_good No."),
    "not genuine": Reply(200, "<html>Hotel</html>", {}, "text/html"),
}


class StatedWorld(World):
    """A world whose portal answers what the life says, and that remembers which key was refused last."""

    def __init__(self, clock: FakeClock) -> None:
        self.portal: Reply | None = None
        self.refused: dict[str, bool] = {}
        super().__init__(clock)

    def _register(self, request: Request) -> Reply:
        return self.portal or super()._register(request)

    def _update(self, request: Request) -> Reply:
        self.refused[request.form["api_key"]] = self._writable(request.form["api_key"]) is None
        return super()._update(request)

    def change(self, what: dict[str, Any]) -> None:
        """What people and networks do in a step of the life."""
        if "portal" in what:
            self.portal = PORTAL[what["portal"]]
        if "renew" in what:
            self.renew_write_key(None if what["renew"] is None else timedelta(seconds=what["renew"]))
        for version in what.get("refuse", []):
            self.channel.keys[key_of(version)] = self.clock.true_now
        for version in what.get("take", []):
            self.channel.keys[key_of(version)] = None
        self.hint = what.get("hint", False)


def key_of(version: int) -> str:
    return f"WRITEKEY{version:08}"


@pytest.fixture
def world(clock: FakeClock) -> Iterator[StatedWorld]:
    world = StatedWorld(clock)
    yield world
    world.close()


def keys_of(bench: Bench) -> list[int]:
    """The versions of the write keys that the device would try, the best first."""
    state = bench.state
    known = [state.credentials] if state.credentials else []
    if state.previous and state.previous.is_good_at(bench.clock.true_now):
        known.append(state.previous)
    return [int(one.write_key.removeprefix("WRITEKEY")) for one in known]


def state_of(bench: Bench, world: StatedWorld) -> str:
    """Which state of the diagram the device is in, as far as it shows from outside."""
    keys = keys_of(bench)
    if not keys:
        return "Unregistered"
    if world.refused.get(key_of(keys[0]), False):
        return "Fallback" if len(keys) > 1 else "Refused"
    return "Transition" if len(keys) > 1 else "Current"


@pytest.mark.parametrize("life", LIVES, ids=[life["name"] for life in LIVES])
def test_a_device_lives_as_stated(life: dict[str, Any], bench: Bench, world: StatedWorld) -> None:
    bench.configure(period=300.0)
    bench.power_up()
    for number, step in enumerate(life["steps"], 1):
        world.change(step.get("world", {}))
        if step.get("power up"):
            bench.power_up(rng=random.Random(number))
        bench.run_for(step["seconds"])
        assert (state_of(bench, world), keys_of(bench)) == (step["state"], step["keys"]), f"step {number}"
    bench.run_for(3600)
    assert bench.stored == bench.sensor.taken, "and nothing is lost, nor doubled"


def test_the_lives_go_along_every_arrow_of_the_diagram() -> None:
    arrows = set(re.findall(r"^ +(\S+ --> \S+):", DIAGRAM, re.MULTILINE))
    assert len(arrows) > 10
    assert {arrow for life in LIVES for step in life["steps"] for arrow in step["along"]} == arrows
