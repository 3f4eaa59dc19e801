"""A loopback server that answers as a test tells it, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

ANSWERS = Path(__file__).parent / "answers"


def recorded(name: str) -> bytes:
    """An answer in a shape that is documented for the hosted service, or for the open-source server."""
    return (ANSWERS / f"{name}.json").read_bytes()


@dataclass
class Scripted:
    """One answer: JSON unless `body` is bytes. With `instead` nothing is answered."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    instead: Literal["", "hang", "drop", "break off", "drip"] = ""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    headers: dict[str, str]

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class ScriptedThingSpeak:
    """Answers each call with the next scripted answer for its method and path; the last one stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._came = threading.Event()
        self._answers: dict[str, list[Scripted]] = {}
        self.over = threading.Event()
        self.url = ""

    def on(self, line: str, *answers: Scripted) -> None:
        """Answer `line`, like "GET /channels.json", with these answers, one after the other."""
        self._answers[line] = list(answers)

    def next_for(self, asked: Asked) -> Scripted:
        self.asked.append(asked)
        self._came.set()
        answers = self._answers.get(asked.line) or [Scripted(b"<h1>Not Found</h1>", 404)]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def wait_until_asked(self) -> None:
        """Wait until a call has come in: who gives up early may be faster than a busy machine hands the call over."""
        assert self._came.wait(20), "Nobody has asked."

    @property
    def lines(self) -> list[str]:
        return [asked.line for asked in self.asked]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    script: ScriptedThingSpeak

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        script = self.server.script
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        answer = script.next_for(
            Asked(self.command, address.path, parse_qs(address.query), parse_qs(body), dict(self.headers.items()))
        )
        if answer.instead == "hang":
            script.over.wait()
        if answer.instead in ("hang", "drop"):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        more = 100 if answer.instead else 0
        self.send_header("Content-Length", str(len(answer.content) + more))
        self.end_headers()
        self.wfile.write(answer.content)
        while answer.instead == "drip" and not script.over.wait(0.001):
            self.wfile.write(b" ")
        self.close_connection = bool(answer.instead)

    do_GET = do_POST = do_PUT = do_DELETE = _handle


@contextmanager
def scripted_thingspeak() -> Iterator[ScriptedThingSpeak]:
    """Serve on a free port of the loopback interface while the block runs."""
    script = ScriptedThingSpeak()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.script = script
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
