"""The story ends with a sentence and a non-zero status as soon as something is not as it should be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from portal.processes import Children, Portal, free_port
from tests.story.test_story import run


class SomethingElse(BaseHTTPRequestHandler):
    """A web server, but not the portal."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>Duff beer</h1>")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def something_else() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), SomethingElse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_against_a_server_that_is_not_the_portal(something_else: str) -> None:
    done = run("--base-url", something_else, "--json")
    step, summary = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert not summary["ok"]
    assert step["failure"] == (
        f"Expected: {something_else}/signup/ has the form for signing up. It answers 200 with “Duff beer”: "
        "is this the portal?"
    )


def test_against_an_address_where_nobody_listens() -> None:
    address = f"http://localhost:{free_port()}"
    done = run("--base-url", address)
    assert done.returncode == 1
    assert f"Expected: an answer from {address}/signup/. There was none" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("address", ["localhost:8080", "ftp://localhost/", "http://"])
def test_what_is_no_address_is_refused(address: str) -> None:
    done = run("--base-url", address)
    assert done.returncode == 1
    assert "--base-url is an address like http://localhost:8080." in done.stderr


def test_a_running_portal_on_thingspeak_needs_an_account_key() -> None:
    done = run("--base-url", "http://localhost:8080", "--platform", "thingspeak")
    assert done.returncode == 1
    assert "--account-key" in done.stderr


def test_a_portal_that_sends_real_mail_is_told_apart(tmp_path) -> None:
    with Children(tmp_path) as children:
        portal = Portal(children, port=free_port(), DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3", EMAIL_URL="dummy:")
        portal.manage("migrate", "--verbosity=0")
        portal.start()
        done = run("--base-url", portal.url)
    assert done.returncode == 1
    assert "this portal sends real mail (EMAIL_URL)" in done.stdout
