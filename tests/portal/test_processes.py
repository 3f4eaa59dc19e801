"""Processes that a command starts: they end with it, and one that ends by itself is noticed."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portal import processes
from portal.processes import CannotRun, Child, Children, Portal, Stopped, free_port, is_free, stoppable

SLEEPS = "print('asleep', flush=True); import time; time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"


def start(children: Children, program: str, log: str = "child") -> Child:
    return children.start("The child", [sys.executable, "-c", program], log=log, environment=os.environ)


def started(children: Children, program: str, log: str = "child") -> Child:
    child = start(children, program, log)
    assert children.wait_until(lambda: "asleep" in child.last_words, within=30)
    return child


def test_children_end_with_the_block(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        both = [started(children, SLEEPS, name) for name in ("one", "two")]
        assert all(child.is_running for child in both)
    assert not any(child.is_running for child in both)


def test_children_end_when_the_block_fails(tmp_path: Path) -> None:
    born = []

    def fail() -> None:
        with Children(tmp_path) as children:
            born.append(started(children, SLEEPS))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not born[0].is_running


def test_a_child_that_is_just_being_started_when_somebody_stops_us_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    born = []

    def popen(*command: Any, **options: Any) -> subprocess.Popen[bytes]:
        born.append(really(*command, **options))
        os.kill(os.getpid(), signal.SIGTERM)
        return born[0]

    really = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(Stopped), stoppable(), Children(tmp_path) as children:
        start(children, SLEEPS)
    assert born[0].poll() is not None


@pytest.mark.parametrize("at_once", [False, True])
def test_a_child_that_is_ended_on_purpose_is_not_missed(tmp_path: Path, at_once: bool) -> None:
    with Children(tmp_path) as children:
        one, other = (started(children, SLEEPS, name) for name in ("one", "two"))
        children.end(one, at_once=at_once)
        assert not one.is_running
        assert children.wait_until(lambda: other.is_running)


def test_a_child_that_is_killed_gets_no_time_to_tidy_up(tmp_path: Path) -> None:
    tidies = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: print('tidied up', flush=True)); "
    with Children(tmp_path) as children:
        child = started(children, tidies + SLEEPS)
        children.end(child, at_once=True)
        assert "tidied up" not in child.last_words


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ENDS_WITHIN", 0.2)
    with Children(tmp_path) as children:
        child = started(children, DEAF)
    assert not child.is_running


def test_the_grandchildren_of_a_killed_child_end_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ENDS_WITHIN", 0.2)
    spawns = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]).pid, flush=True); "
    with Children(tmp_path) as children:
        child = started(children, spawns + DEAF)
        grandchild = os.pidfd_open(int(child.last_words.split()[0]))
    ended, _, _ = select.select([grandchild], [], [], 30)
    os.close(grandchild)
    assert ended


def test_a_child_that_ends_by_itself_is_noticed_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        start(children, "raise SystemExit('the reactor is too hot')")
        with pytest.raises(CannotRun, match=r"The child has ended by itself(.|\n)*the reactor is too hot"):
            children.watch()


def test_waiting_has_an_end(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        assert not children.wait_until(lambda: False, within=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_the_block(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped), stoppable():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_does_not_disturb_the_tidying_up() -> None:
    tidied = []

    def stop_twice() -> None:
        with stoppable():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)
                tidied.append("up")

    with pytest.raises(Stopped):
        stop_twice()
    assert tidied == ["up"]


def test_a_port_is_free_until_somebody_listens_there() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_a_command_that_does_not_work_says_why(tmp_path: Path) -> None:
    with Children(tmp_path) as children, pytest.raises(CannotRun, match="Unknown command: 'donuts'"):
        Portal(children, port=free_port()).manage("donuts")


def test_a_portal_that_cannot_start_says_why(tmp_path: Path) -> None:
    with Children(tmp_path) as children, pytest.raises(CannotRun, match="CHANNEL_PLATFORM must be one of"):
        Portal(children, port=free_port(), CHANNEL_PLATFORM="donuts").start()
