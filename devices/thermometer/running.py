"""Running thermometers in one process until they are finished or somebody says stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devices.thermometer.thermometer import Thermometer

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 1.5
"""Seconds that a thermometer in the middle of a request has to end by itself after a stop signal."""
_LOOK_EVERY = 0.2


@dataclass(frozen=True)
class Ending:
    """How it ended. `is_clean` is False if a request was still open; nothing is lost by leaving it behind."""

    was_stopped: bool
    is_clean: bool


def run_all(
    thermometers: Sequence[Thermometer],
    *,
    seconds: float | None = None,
    report: Callable[[], None] | None = None,
    report_every: float = 10.0,
) -> Ending:
    """Run each thermometer in a thread of its own; return when all are finished, after `seconds`, or on a signal.

    To be called in the main thread. The stop signals are received here, by waiting for them, and never interrupt a
    thermometer: a handler would run between any two instructions.
    """
    stop = threading.Event()
    threads = [
        threading.Thread(target=thermometer.run, args=(stop.wait,), name=thermometer.store.state.serial, daemon=True)
        for thermometer in thermometers
    ]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        for thread in threads:
            thread.start()
        was_stopped = _wait(threads, seconds, report, report_every)
        stop.set()
        until = time.monotonic() + GRACE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Ending(was_stopped, is_clean=not any(thread.is_alive() for thread in threads))


def _wait(
    threads: Sequence[threading.Thread],
    seconds: float | None,
    report: Callable[[], None] | None,
    report_every: float,
) -> bool:
    """Wait for the end; return whether a signal was it."""
    began = time.monotonic()
    next_report = began + report_every
    while any(thread.is_alive() for thread in threads):
        if signal.sigtimedwait(STOP_SIGNALS, _LOOK_EVERY) is not None:
            return True
        now = time.monotonic()
        if seconds is not None and now - began >= seconds:
            return False
        if report is not None and now >= next_report:
            report()
            next_report = now + report_every
    return False
