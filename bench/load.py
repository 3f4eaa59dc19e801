"""The load generator: wrk with scripts of ours. wrk is in Debian (`apt-get install wrk`)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

# Each script defines `good` (the status that counts), and `next_request`. A body of "0" is ThingSpeak's refusal.
FRAME = """
local threads = {}
accepted, refused, failed = 0, 0, 0

function setup(thread) table.insert(threads, thread) end

function request() return next_request() end

function response(status, headers, body)
  if status ~= good then failed = failed + 1
  elseif body == "0" then refused = refused + 1
  else accepted = accepted + 1 end
end

function done(summary, latency, requests)
  local accepted, refused, failed = 0, 0, 0
  for _, thread in ipairs(threads) do
    accepted = accepted + thread:get("accepted")
    refused = refused + thread:get("refused")
    failed = failed + thread:get("failed")
  end
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\\nBENCH {"accepted": %d, "refused": %d, "failed": %d, "broken": %d',
    accepted, refused, failed, broken))
  io.write(string.format(
    ', "seconds": %.6f, "p50": %.3f, "p99": %.3f}\\n',
    summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw in one measurement. `broken` are connections that failed; p50 and p99 are milliseconds."""

    accepted: int
    refused: int
    failed: int
    broken: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds

    def as_json(self) -> dict[str, float]:
        return {**asdict(self), "rate": self.rate}


def is_there() -> bool:
    return shutil.which("wrk") is not None


def table(texts: Iterable[str]) -> str:
    """Write texts as a Lua table."""
    return "{" + ",".join(f'"{text}"' for text in texts) + "}"


def run(script: str, url: str, *, connections: int, seconds: int) -> Load:
    """Let wrk play `script` against `url` and return what it saw. Raises RuntimeError if wrk fails."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "load.lua"
        path.write_text(script + FRAME)
        command = [
            "wrk",
            "-t",
            "1",
            "-c",
            str(connections),
            "-d",
            f"{seconds}s",
            "--timeout",
            "20s",
            "-s",
            str(path),
            url,
        ]
        result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    for line in result.stdout.splitlines():
        if line.startswith("BENCH "):
            return Load(**json.loads(line.removeprefix("BENCH ")))
    raise RuntimeError(f"wrk failed:\n{result.stdout}\n{result.stderr}")
