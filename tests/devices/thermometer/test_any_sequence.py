"""Whatever happens in whatever order: each measurement is stored once, and the newest key is the one in use."""

from __future__ import annotations

import random
import tempfile
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from devices.thermometer import durable
from tests.devices.thermometer.conftest import Bench
from tests.devices.thermometer.world import KEY, NEXT_KEY, FakeClock, Reply, World


class DeviceLife(RuleBasedStateMachine):
    """A device that follows the protocol, in a world in which all goes wrong that the protocol provides for."""

    @initialize(seed=st.integers(0, 2**32), interval=st.sampled_from([0, 1, 15]), bulk=st.booleans())
    def unpack(self, seed: int, interval: int, bulk: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        # A restarted process sees what the last one wrote, flushed or not; power cuts have tests of their own.
        self.no_flush = patch.object(durable.os, "fsync", lambda descriptor: None)
        self.no_flush.start()
        self.clock = FakeClock()
        self.world = World(self.clock)
        self.world.interval = timedelta(seconds=interval)
        self.world.bulk = bulk
        self.bench = Bench(self.world, self.clock, Path(self.folder.name) / "thermometer.json")
        self.seed = seed
        self.bench.configure(period=60.0)
        self.bench.power_up(rng=random.Random(seed))

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        try:
            self.everything_ends_well()
        finally:
            self.no_flush.stop()
            self.world.close()
            self.folder.cleanup()

    @rule(seconds=st.sampled_from([1, 7, 60, 61, 300, 1800]))
    def time_passes(self, seconds: int) -> None:
        self.bench.run_for(seconds)

    @rule()
    def power_cut(self) -> None:
        self.seed += 1
        self.bench.power_up(rng=random.Random(self.seed))

    @rule(overlap=st.sampled_from([None, 30, 600, 86400]))
    def write_key_is_renewed(self, overlap: int | None) -> None:
        self.world.renew_write_key(None if overlap is None else timedelta(seconds=overlap))

    @rule(hint=st.booleans())
    def platform_hints(self, hint: bool) -> None:
        self.world.hint = hint

    @precondition(lambda self: len(self.world.registration_keys) == 1)
    @rule()
    def registration_key_is_renewed(self) -> None:
        old = next(iter(self.world.registration_keys.values()))
        new = NEXT_KEY if old == KEY else KEY
        self.world.registration_keys[new.lookup] = new
        self.world.offered = new

    @precondition(lambda self: len(self.world.registration_keys) == 2 and self.device_has_moved())
    @rule()
    def old_registration_key_is_ended(self) -> None:
        self.world.registration_keys = {self.world.offered.lookup: self.world.offered}
        self.world.offered = None

    def device_has_moved(self) -> bool:
        """What the portal sees: the device has asked with the new key."""
        asked = self.world.asked("/midpoint")
        return bool(asked) and asked[-1].query["key"] == self.world.offered.lookup and not self.world.is_down

    @rule(down=st.booleans())
    def network_goes_or_comes(self, down: bool) -> None:
        self.world.is_down = down

    @rule(count=st.integers(1, 3))
    def answers_are_lost(self, count: int) -> None:
        self.world.lost_answers += count

    @rule(
        reply=st.sampled_from(
            [
                Reply(503, "error=try_later Later.", {"Retry-After": "45"}),
                Reply(500, ""),
                Reply(429, "error=too_many_tries Slow down."),
                Reply(200, "0"),
                Reply(400, "0"),
                Reply(200, "<html>Hotel</html>", {}, "text/html"),
                Reply(403, "error=key_not_good No."),
            ]
        )
    )
    def one_answer_is_odd(self, reply: Reply) -> None:
        self.world.faults.append(lambda request: reply)

    @invariant()
    def nothing_is_doubled(self) -> None:
        if hasattr(self, "world"):
            stored = [value for _at, value in self.world.channel.stored]
            assert len(stored) == len(set(stored))

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "world"):
            stored = {value for _at, value in self.world.channel.stored}
            kept = {taken.value for taken in self.bench.thermometer.outbox}
            assert stored | kept >= set(self.bench.sensor.taken)

    def everything_ends_well(self) -> None:
        """When the world is in order again, the device gets in order by itself."""
        self.world.is_down = False
        self.world.lost_answers = 0
        self.world.faults.clear()
        self.world.hint = True
        self.bench.run_for(2 * 3600)
        for _ in range(100):
            if len(self.bench.thermometer.outbox) == 0:
                break
            self.bench.run_for(1)

        assert [value for _at, value in sorted(self.world.channel.stored)] == self.bench.sensor.taken
        credentials = self.bench.state.credentials
        assert credentials is not None
        assert (credentials.channel, credentials.write_key, credentials.key_version) == self.world.current
        assert self.world.asked("/update")[-1].form["api_key"] == credentials.write_key


TestDeviceLife = DeviceLife.TestCase
TestDeviceLife.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
