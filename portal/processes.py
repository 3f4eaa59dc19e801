"""Processes that a command starts, watches and ends again: a portal of its own, and what runs beside it."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import requests
from django.conf import settings

HOST = "127.0.0.1"
"""What is started here runs with DEBUG on, so nobody but this machine may reach it."""
READY_WITHIN = 60.0
"""Seconds that a portal may take until it answers. It takes two; a machine that is busy may take ten times that."""
ENDS_WITHIN = 5.0
"""Seconds that a process has after it was asked to end; then it is killed."""
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_EVERY = 0.1
_LAST_LINES = 40


class CannotRun(Exception):
    """A process could not be started, or has ended by itself. The message is for people and says what it said last."""


class Stopped(Exception):
    """Somebody wants the command to end: Ctrl-C, a closed terminal, or a `kill`."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise `Stopped` inside the block, so that it can tidy up."""

    def stop(number: int, frame: FrameType | None) -> None:
        # Once is enough: a second Ctrl-C must not tear the tidying up apart.
        for name in before:
            signal.signal(name, signal.SIG_IGN)
        raise Stopped

    before = {name: signal.getsignal(name) for name in _STOPPING}
    for name in before:
        signal.signal(name, stop)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def _held_back() -> Iterator[None]:
    """Let what would stop us come after the block: a process that is just being started is nobody's to end yet."""
    if threading.current_thread() is not threading.main_thread():  # Signals are handled in the main one alone.
        yield
        return
    came: list[int] = []
    before = {name: signal.getsignal(name) for name in _STOPPING}
    for name in before:
        signal.signal(name, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        if came:
            signal.raise_signal(came[0])


def free_port() -> int:
    """Return the number of a port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port`."""
    with socket.socket() as listener:
        # As gunicorn does: a port whose last server has just ended is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


class Child:
    """A process with its log file."""

    def __init__(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        """Start `command`. `name` is what people call it, in a sentence: "the portal"."""
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  our own programs
                command,
                cwd=settings.BASE_DIR,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Of its own, so that Ctrl-C in the terminal reaches the command alone, which ends the others in order.
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:])

    def check(self) -> None:
        """Raise CannotRun if it has ended."""
        if not self.is_running:
            raise CannotRun(
                f"{self.name} has ended by itself. It said last (more is in {self.log}):\n{self.last_words}"
            )

    def wait(self, within: float) -> bool:
        """Wait for its end. Return False if it is still running after `within` seconds."""
        try:
            self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_end(self) -> None:
        """Let it finish what it is doing."""
        self._process.terminate()

    def kill(self) -> None:
        """End it, and whatever it has started, at once."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # It has ended in this moment.
        self._process.wait()
        # What it had started is nobody's child now, and takes a moment to go.
        until = time.monotonic() + ENDS_WITHIN
        while self._has_left_something() and time.monotonic() < until:
            time.sleep(_LOOK_EVERY)

    def _has_left_something(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True


class Children:
    """All the processes of a command; they end with the `with` block, however that ends."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where the logs go."""
        self._folder = folder
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str], *, log: str, environment: Mapping[str, str]) -> Child:
        """Start one more; see `Child`. `log` is the name of its file in the folder, without `.log`."""
        with _held_back():
            child = Child(name, command, environment=environment, log=self._folder / f"{log}.log")
            self._children.append(child)
        return child

    def end(self, child: Child, *, at_once: bool = False) -> None:
        """End one of them on purpose; from then on it is not missed. `at_once`: by SIGKILL, in whatever it is doing."""
        self._children.remove(child)
        if not at_once:
            child.ask_to_end()
        if at_once or not child.wait(ENDS_WITHIN):
            child.kill()

    def wait_until(self, is_so: Callable[[], bool], *, within: float = math.inf) -> bool:
        """Return True as soon as `is_so`, or False after `within` seconds. Raises CannotRun when one has ended."""
        until = time.monotonic() + within
        while not is_so():
            for child in self._children:
                child.check()
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def watch(self) -> None:
        """Return never, but raise CannotRun as soon as one of them has ended."""
        self.wait_until(lambda: False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The last one started is the first to end: thermometers before the portal that they talk to.
        running = [child for child in reversed(self._children) if child.is_running]
        for child in running:
            child.ask_to_end()
        until = time.monotonic() + ENDS_WITHIN
        for child in running:
            if not child.wait(max(0.0, until - time.monotonic())):
                child.kill()


class Portal:
    """An instance of this very software: gunicorn on a port of this machine, with settings of its own."""

    def __init__(self, children: Children, *, port: int, name: str = "portal", **environment: str) -> None:
        """`environment` are settings (`DATABASE_URL=…`) on top of those of this process."""
        self.url = f"http://localhost:{port}"
        self.name = name
        self._children = children
        self._port = port
        self.environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "DEBUG": "true",
            "PUBLIC_URL": self.url,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "EMAIL_URL": "outbox:",
            **environment,
        }

    def manage(self, *arguments: str) -> str:
        """Run a command of `manage.py` with the portal's settings and return what it printed. Raises CannotRun."""
        done = subprocess.run(  # noqa: S603  our own program
            self._manage(*arguments), cwd=settings.BASE_DIR, env=self.environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            words = "\n".join((done.stdout + done.stderr).splitlines()[-_LAST_LINES:])
            raise CannotRun(f"manage.py {arguments[0]} did not work:\n{words}")
        return done.stdout

    def start(self) -> Child:
        """Serve. Returns when the portal answers, else raises CannotRun."""
        server = self._children.start(f"The {self.name}", self._gunicorn(), log=self.name, environment=self.environment)
        if not self._children.wait_until(self._answers, within=READY_WITHIN):
            raise CannotRun(f"The {self.name} does not answer at {self.url}; its log is {server.log}.")
        server.check()  # The answer may have come from somebody else who took the port in the meantime.
        return server

    def start_worker(self, *options: str) -> Child:
        """Do the background work as well."""
        return self._children.start(
            "The background worker",
            # Reloading would put a watcher between us and the worker that does not pass on that it shall end.
            self._manage("worker", "--interval", "2", *options),
            log="worker",
            environment=self.environment,
        )

    def start_thermometers(self, count: int, period: int, folder: Path) -> None:
        """Let `count` of the demo's thermometers measure every `period` seconds; their state goes into `folder`."""
        self._children.start(
            "The process with the thermometers",
            self._manage("thermometers", self.url, str(folder), f"--count={count}", f"--period={period}"),
            log="thermometers",
            environment=self.environment,
        )

    def _answers(self) -> bool:
        with requests.Session() as session:
            session.trust_env = False  # A proxy that the environment names has no way to this machine.
            try:
                session.get(self.url, timeout=5, allow_redirects=False)
            except requests.RequestException:
                return False
        return True

    def _manage(self, *arguments: str) -> list[str]:
        return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]

    def _gunicorn(self) -> list[str]:
        options = {
            "bind": f"{HOST}:{self._port}",
            "workers": "2",
            "threads": "4",
            "keep-alive": "5",
            "graceful-timeout": "2",
        }
        settled = [f"--{name}={value}" for name, value in options.items()]
        # The control socket has one place in the home directory, over which two instances would quarrel.
        return [sys.executable, "-m", "gunicorn", "portal.wsgi", "--no-control-socket", *settled]
