"""What is measured: each case is a script for wrk, a server to play it against, and what it should reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.load import table
from bench.reference import key_of
from bench.scenery import KnownDevice

BULK_ROWS = 960


@dataclass
class Stage:
    """What scripts are made from. `turn` goes up with every measurement, so that nothing is sent twice."""

    devices: list[KnownDevice]
    etags: Mapping[str, str]
    lookups: list[str]
    turn: int = 0

    @property
    def recent(self) -> list[KnownDevice]:
        """The devices whose ETag is known."""
        return [device for device in self.devices if device.serial in self.etags]

    # Each kind of write has channels of its own, so that their rows can be counted apart.

    @property
    def bulky(self) -> list[KnownDevice]:
        return self.devices[:100]

    @property
    def hasty(self) -> list[KnownDevice]:
        """So few channels that most writes come before the interval is over."""
        return self.devices[100:110]

    @property
    def unpaced(self) -> list[KnownDevice]:
        return self.devices[110:1000]

    @property
    def paced(self) -> list[KnownDevice]:
        """So many channels that one round through them takes longer than the interval."""
        return self.devices[1000:]


@dataclass(frozen=True)
class Case:
    """One thing that is measured.

    `against` is the case that its rate is divided by, `at_least` the ratio to reach. `rows` is what one accepted
    request stores. `asked_ago` sets back when devices last asked, in seconds.
    """

    name: str
    title: str
    server: str
    script: Callable[[Stage], str]
    against: str = ""
    at_least: float | None = None
    rows: int = 1
    asked_ago: int | None = None
    connections: tuple[int, ...] = field(default=(8, 32))


def _reference(address: str, *, new_keys: bool = False) -> Callable[[Stage], str]:
    def script(stage: Stage) -> str:
        key = f'string.format("{stage.turn:08x}%056x", i)' if new_keys else "keys[i % #keys + 1]"
        return f"""
local keys, i = {table(key_of(n) for n in range(len(stage.devices)))}, 0
good = 200
function next_request()
  i = i + 1
  return wrk.format("GET", "/{address}?value=21.5&key=" .. {key})
end
"""

    return script


def _update(devices: list[KnownDevice], start: int) -> str:
    return f"""
local keys, i = {table(device.write_key for device in devices)}, {start}
local headers = {{["Content-Type"] = "application/x-www-form-urlencoded"}}
good = 200
function next_request()
  i = i + 1
  local body = "api_key=" .. keys[i % #keys + 1] .. "&field1=" .. (20 + i % 100 / 10)
  return wrk.format("POST", "/update", headers, body)
end
"""


def _bulk(stage: Stage) -> str:
    # Moments are unique in a channel: each request begins where no other one has been.
    chosen = stage.bulky
    rest = ",".join(f'{{"delta_t":1,"field1":"{20 + n % 100 / 10}"}}' for n in range(BULK_ROWS - 1))
    return f"""
local keys, numbers, i = {table(d.write_key for d in chosen)}, {table(str(d.number) for d in chosen)}, 0
local headers = {{["Content-Type"] = "application/json"}}
local rest = [=[,{rest}]}}]=]
good = 202
function next_request()
  i = i + 1
  local at = os.date("!%Y-%m-%dT%H:%M:%SZ", 946684800 + ({stage.turn} * 10000 + i) * 1000)
  local first = '{{"created_at":"' .. at .. '","field1":"20"}}'
  local body = '{{"write_api_key":"' .. keys[i % #keys + 1] .. '","updates":[' .. first
  return wrk.format("POST", "/channels/" .. numbers[i % #numbers + 1] .. "/bulk_update.json", headers, body .. rest)
end
"""


def _ask(devices: list[KnownDevice], etags: Mapping[str, str] | None = None, *, once: bool = False) -> str:
    serials, lookups = table(d.serial for d in devices), table(d.lookup for d in devices)
    tags = table(etags[d.serial].replace('"', '\\"') for d in devices) if etags else "{}"
    header = '{["Accept"] = "text/plain", ["If-None-Match"] = tags[k]}' if etags else '{["Accept"] = "text/plain"}'
    return f"""
local serials, lookups, tags, i = {serials}, {lookups}, {tags}, 0
good = {304 if etags else 200}
function next_request()
  i = i + 1
  if {"true" if once else "false"} and i >= #serials then wrk.thread:stop() end
  local k = (i - 1) % #serials + 1
  local headers = {header}
  return wrk.format("GET", "/midpoint/ws/iot/devices/" .. serials[k] .. "?key=" .. lookups[k], headers)
end
"""


def _register(stage: Stage) -> str:
    return f"""
local lookups, i = {table(stage.lookups)}, 0
local headers = {{["Accept"] = "text/plain"}}
good = 200
function next_request()
  i = i + 1
  local serial = "new-{stage.turn}-" .. i
  return wrk.format("GET", "/midpoint/ws/iot/devices/" .. serial .. "?key=" .. lookups[i % #lookups + 1], headers)
end
"""


# In the order in which a round plays them: what is compared lies side by side.
CASES = (
    Case("one select", "bare view: 1 SELECT", "reference", _reference("one-select")),
    Case(
        "known",
        "known device asks, again within a minute (200)",
        "portal",
        lambda stage: _ask(stage.recent),
        "one select",
        0.5,
        rows=0,
        asked_ago=0,
    ),
    Case(
        "known first",
        "known device asks, first time in a while (200)",
        "portal",
        lambda stage: _ask(stage.devices, once=True),
        "one select",
        0.5,
        rows=0,
        asked_ago=3600,
    ),
    Case(
        "etag",
        "known device with the current key (304)",
        "portal",
        lambda stage: _ask(stage.recent, stage.etags),
        "one select",
        0.7,
        rows=0,
        asked_ago=0,
    ),
    Case("select and insert", "bare view: 1 SELECT, 1 INSERT", "reference", _reference("select-and-insert")),
    Case(
        "update",
        "one measurement by /update, no interval",
        "portal",
        lambda stage: _update(stage.unpaced, 0),
        "select and insert",
        0.8,
    ),
    Case(
        "update paced",
        "the same, interval of 1 s",
        "paced portal",
        # Not where the measurement before has just been.
        lambda stage: _update(stage.paced, stage.turn * 1777),
        "select and insert",
        0.8,
    ),
    Case(
        "update too early",
        "the same, most of them too early (200, 0)",
        "paced portal",
        lambda stage: _update(stage.hasty, 0),
        connections=(8,),
    ),
    Case("bulk", f"bulk write of {BULK_ROWS} entries", "portal", _bulk, "update", 20, rows=BULK_ROWS, connections=(8,)),
    Case(
        "three inserts",
        "bare view: 3 INSERTs in a transaction",
        "reference",
        _reference("three-inserts", new_keys=True),
    ),
    Case("register", "new device registers", "portal", _register, "three inserts", 0.25, rows=0),
)
