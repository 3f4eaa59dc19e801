"""`manage.py demo`, which `make run` calls, run as people run it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings
from rich.console import Console

from portal.demo import Cast
from portal.processes import free_port
from portal.story.telling import JSONLines, Teller
from portal.story.visitor import Visitor

WITHIN = 600


def command(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", "demo", *arguments]


def environment(folder: Path, **changes: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "CACHE_URL": "", **changes}


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo that is stopped should the test not get to its end, or take too long."""
    process = subprocess.Popen(
        command("--state", str(folder / "state"), *arguments),
        cwd=django_settings.BASE_DIR,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(WITHIN, process.terminate)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.terminate()  # Nothing, when it has ended.


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What the demo prints, up to the line with these words."""
    assert process.stdout is not None
    read = []
    for line in process.stdout:
        read.append(line)
        if words in line:
            return "".join(read)
    raise AssertionError(f"The demo has ended without a word of “{words}”:\n{''.join(read)}")


def descendants(pid: int) -> set[int]:
    """The processes that `pid` has started, and those that they have."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found: set[int] = set()
    while new := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= new
    return found


def called_with(words: str) -> set[int]:
    """The processes with these words in their command line."""
    found = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if words.encode() in command.read_bytes():
                found.add(int(command.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_demo_is_alive_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    cast = Cast.read()
    with demo(tmp_path, "--port", str(port), "--thermometers", "2") as process:
        said = read_until(process, "Stop everything with Ctrl-C")
        started = descendants(process.pid)

        for words in (url, f"{url}/outbox/", f"{url}/admin/", "marge@example.com", cast.password, "Kitchen"):
            assert words in said
        for path in ("/", "/outbox/", "/accounts/login/"):
            assert requests.get(url + path, timeout=20).status_code == 200

        with (tmp_path / "told").open("w") as file:
            teller = Teller(JSONLines(Console(file=file)))
            teller.begin(1, "Marge looks")
            marge = Visitor("Marge", url, teller)
            page = marge.get("/accounts/login/")
            page = marge.submit(page, page.form("login", "password"), login="marge@example.com", password=cast.password)
            kitchen = marge.follow(page, "Kitchen")
            assert "Reactor" not in page.text
            chart = next(kitchen.root.all(data_chart="*", data_feed_url="*"))
            feed = json.loads(marge.get(chart.attributes["data-feed-url"]).source)["feeds"]
        assert len(feed) > 700, "hours of history, and what was measured just now"

        process.send_signal(signal.SIGINT)
        assert "Everything has been stopped" in process.stdout.read()
    assert process.returncode == 0
    assert len(started) >= 5, "server, its workers, the background worker, the thermometers"
    assert not [pid for pid in started if is_running(pid)]
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))


def test_ctrl_c_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path, "--port", str(port)) as process:
        read_until(process, "Starting the portal")
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    assert "Everything has been stopped" in said
    assert process.returncode == 0
    assert not [pid for pid in called_with(str(port)) if is_running(pid)]


def refused(port: int, thermometers: int = 5) -> str:
    with pytest.raises(CommandError) as refusal:
        call_command("demo", port=port, thermometers=thermometers)
    return str(refusal.value)


def test_a_port_in_use_is_said_with_what_to_do(settings: Settings) -> None:
    settings.DEBUG = True
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert refused(port) == (
            f"Port {port} is in use, perhaps by another demo. End that, or choose another port: "
            f"make run PORT={port + 1}"
        )


def test_the_demo_is_refused_where_debug_is_off(settings: Settings) -> None:
    settings.DEBUG = False
    assert "DEBUG is off here, so nothing was done." in refused(free_port())


@pytest.mark.parametrize(("port", "thermometers"), [(0, 5), (70000, 5), (8080, -1), (8080, 101)])
def test_numbers_that_make_no_sense_are_refused(port: int, thermometers: int, settings: Settings) -> None:
    settings.DEBUG = True
    assert "--port is a number from 1 to 65535" in refused(port, thermometers)
