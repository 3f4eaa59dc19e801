"""gunicorn processes, as in production: two sync workers on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

WORKERS = 2
START_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A running gunicorn. `harmless` is an address that stores nothing."""

    port: int
    master: int
    harmless: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def workers(self) -> list[int]:
        """The workers' process ids."""
        return [int(pid) for pid in Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()]

    def drain(self) -> None:
        """Wait until what came before is answered: workers take requests in the order in which they come."""
        for _ in range(2):
            self.ask_at_once(self.harmless)

    def ask_at_once(self, address: str) -> None:
        """Send a few requests at once, so that each worker gets one."""
        with ThreadPoolExecutor(4 * WORKERS) as pool:
            list(pool.map(lambda _: requests.get(self.url + address, timeout=60), range(4 * WORKERS)))

    def forget_peaks(self) -> None:
        """Let the workers' peak memory count from now."""
        for pid in self.workers:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_megabytes(self) -> float:
        """The memory of the worker that had most, at its peak."""
        return max(_status(pid, "VmHWM") for pid in self.workers)


def _status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


@contextmanager
def gunicorn(application: str, environment: Mapping[str, str], log: Path, *, harmless: str) -> Iterator[Server]:
    """Serve `application` while the block runs. Raises RuntimeError with the log if it does not start."""
    port = _free_port()
    command = [sys.executable, "-m", "gunicorn", application, "--workers", str(WORKERS), "--worker-class", "sync"]
    command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--timeout", "120"]
    with log.open("ab") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        _wait_for(port, process, log)
        yield Server(port, process.pid, harmless)
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"gunicorn does not start:\n{log.read_text()[-3000:]}")
