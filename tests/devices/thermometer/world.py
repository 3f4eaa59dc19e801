"""A portal and a channel platform on a loopback port, as small as the protocol permits and as nasty as the world is.

It is written from `docs/device-protocol.md`, not from the portal's code: what the thermometer can do with this, it can
do with any portal of that protocol.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from devices.envelope import Payload, seal
from devices.registration_key_text import RegistrationKeyText
from devices.thermometer.fleet import SharedDerivation
from devices.thermometer.state import Registration

SERIAL = "74743827342"
KEY = RegistrationKeyText.parse("HQ481047-1JWORF43")
NEXT_KEY = RegistrationKeyText.parse("AB12CD34-EF56GH78")
derive = SharedDerivation()
REGISTRATION_PATH = "/midpoint/ws/iot/devices/"


class FakeClock:
    """Two clocks that tests set: the wall clock may be wrong, the other only runs forward."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)) -> None:
        self._start = start
        self.wrong_by = timedelta(0)
        self._passed = 0.0

    def now(self) -> datetime:
        return self.true_now + self.wrong_by

    @property
    def true_now(self) -> datetime:
        return self._start + timedelta(milliseconds=round(self._passed * 1000))

    def monotonic(self) -> float:
        return 1000.0 + self._passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds


class RealClock(FakeClock):
    """The time of the machine, for thermometers that run in a process of their own."""

    @property
    def true_now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What is sent back. `then_drop` sends nothing and resets the connection; what was done stays done."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/plain; charset=utf-8"
    then_drop: bool = False


@dataclass
class Channel:
    """A channel of the platform. `keys` maps each write key to when it ends (None: never)."""

    number: int
    keys: dict[str, datetime | None]
    feed: dict[datetime, str] = field(default_factory=dict)
    stored: list[tuple[datetime, str]] = field(default_factory=list)
    last_write: datetime | None = None


class World:
    """Both servers in one, with knobs. Tests read `requests`, the channels' feeds, and set what goes wrong."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.requests: list[Request] = []
        self._changed = threading.Condition()
        self.faults: deque[Callable[[Request], Reply | None]] = deque()
        """Consulted in turn, one a request: a Reply replaces the true answer, None lets it through."""
        self.lost_answers = 0
        """So many requests are done, but their answers are lost."""
        self.registration_keys = {KEY.lookup: KEY}
        self.offered: RegistrationKeyText | None = None
        self.channels = {142770: Channel(142770, {"WRITEKEY00000001": None})}
        self.current = (142770, "WRITEKEY00000001", 1)
        self.previous_until: datetime | None = None
        self.one_channel_each = False
        self._of_serial: dict[str, tuple[int, str, int]] = {}
        self.interval = timedelta(seconds=1)
        self.bulk = True
        self.bulk_limit = 960
        self.duplicate_status = 409
        self.hint = False
        self.is_down = False
        self.answered_too_early = 0
        self.connections = 0
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # What the manager and the platform's owner do

    def renew_write_key(self, overlap: timedelta | None) -> str:
        """A new write key; the old one ends after `overlap` (None: at once)."""
        number, old, version = self.current
        channel = self.channels[number]
        new = f"WRITEKEY{version + 1:08}"
        ends = self.clock.true_now + overlap if overlap is not None else self.clock.true_now
        channel.keys[old] = ends
        channel.keys[new] = None
        self.current = (number, new, version + 1)
        self.previous_until = ends if overlap is not None else None
        return new

    def move_to_new_channel(self, overlap: timedelta) -> Channel:
        """Renewal where keys cannot be rotated: another channel."""
        number, old, version = self.current
        self.channels[number].keys[old] = self.previous_until = self.clock.true_now + overlap
        key = f"WRITEKEY{version + 1:08}"
        channel = self.channels[number + 1] = Channel(number + 1, {key: None})
        self.current = (channel.number, key, version + 1)
        return channel

    @property
    def channel(self) -> Channel:
        return self.channels[self.current[0]]

    @property
    def feed(self) -> list[str]:
        """The values in all channels in the order of their times."""
        entries = [entry for channel in self.channels.values() for entry in channel.feed.items()]
        return [value for _at, value in sorted(entries)]

    def asked(self, path: str) -> list[Request]:
        """The requests to addresses that begin so."""
        return [request for request in self.requests if request.path.startswith(path)]

    # What the servers do

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a request has made the condition true; fail after a minute."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout=60), "It did not happen."

    def answer(self, request: Request) -> Reply:
        with self._changed:
            self.requests.append(request)
            try:
                return self._answer(request)
            finally:
                self._changed.notify_all()

    def _answer(self, request: Request) -> Reply:
        if self.is_down:
            return Reply(then_drop=True)
        if self.faults:
            reply = self.faults.popleft()(request)
            if reply is not None:
                return reply
        reply = self._route(request)
        if self.lost_answers:
            self.lost_answers -= 1
            reply.then_drop = True
        return reply

    def _route(self, request: Request) -> Reply:
        if request.path.startswith(REGISTRATION_PATH):
            return self._register(request)
        if request.path == "/update":
            return self._update(request)
        if request.path.endswith("/bulk_update.json") and self.bulk:
            return self._bulk(request)
        if request.path.endswith("/feeds.json"):
            return self._feeds(request)
        return Reply(404, "error=not_found There is nothing here.")

    def _register(self, request: Request) -> Reply:
        lookup = request.query.get("key")
        if not lookup:
            return Reply(400, "error=malformed The parameter key is missing.")
        key = self.registration_keys.get(lookup)
        if key is None:
            return Reply(403, "error=key_not_good This registration key is not good.")
        serial = request.path.rsplit("/", 1)[1]
        number, write_key, version = self._current_of(serial)
        etag = f'"{number}-{version}-{lookup}"'
        headers = {"ETag": etag, "Date": format_datetime(self.clock.true_now, usegmt=True)}
        if request.headers.get("if-none-match") == etag and self.offered in (None, key):
            return Reply(304, headers=headers)
        payload = Payload(
            serial=serial,
            channel=number,
            write_key=write_key,
            key_version=version,
            update_url=f"{self.url}/update",
            issued_at=self.clock.true_now,
            nonce=request.query.get("nonce"),
            valid_until=self.previous_until,
            registration_key=self.offered if self.offered != key else None,
        )
        text = seal(payload, key=derive(key).envelope_key, lookup=lookup)
        return Reply(200, text, headers, content_type="application/jose")

    def _current_of(self, serial: str) -> tuple[int, str, int]:
        if not self.one_channel_each:
            return self.current
        if serial not in self._of_serial:
            number = 1 + len(self._of_serial)
            self._of_serial[serial] = (number, f"WRITEKEY{serial}", 1)
            self.channels[number] = Channel(number, {f"WRITEKEY{serial}": None})
        return self._of_serial[serial]

    def _writable(self, key: str | None) -> Channel | None:
        for channel in self.channels.values():
            if key in channel.keys:
                ends = channel.keys[key]
                return channel if ends is None or self.clock.true_now < ends else None
        return None

    def _update(self, request: Request) -> Reply:
        channel = self._writable(request.form.get("api_key"))
        headers = {"Key-Renewal": "pending"} if self.hint else {}
        if channel is None:
            return Reply(400, "0", headers)
        at = datetime.fromisoformat(request.form["created_at"])
        if at in channel.feed:
            return Reply(self.duplicate_status, "error_conflict" if self.duplicate_status == 409 else "0", headers)
        if channel.last_write is not None and self.clock.true_now - channel.last_write < self.interval:
            self.answered_too_early += 1
            return Reply(200, "0", headers)
        self._store(channel, at, request.form["field1"])
        return Reply(200, str(len(channel.feed)), headers)

    def _bulk(self, request: Request) -> Reply:
        body = request.json()
        channel = self._writable(body["write_api_key"])
        updates = [(datetime.fromisoformat(update["created_at"]), update["field1"]) for update in body["updates"]]
        if channel is None:
            return Reply(401, '{"status":"401","error":{"error_code":"error_auth_required"}}')
        if len(updates) > self.bulk_limit:
            return Reply(413, '{"status":"413","error":{"error_code":"error_request_too_large"}}')
        if len({at for at, _value in updates} - set(channel.feed)) < len(updates):
            return Reply(self.duplicate_status, '{"status":"409","error":{"error_code":"error_conflict"}}')
        for at, value in updates:
            self._store(channel, at, value)
        return Reply(202, '{"success":true}', content_type="application/json")

    def _store(self, channel: Channel, at: datetime, value: str) -> None:
        channel.feed[at] = value
        channel.stored.append((at, value))
        channel.last_write = self.clock.true_now

    def _feeds(self, request: Request) -> Reply:
        channel = self._writable(request.query.get("api_key"))
        if channel is None:
            return Reply(400, "-1")
        start, end = (datetime.fromisoformat(f"{request.query[name]}+00:00") for name in ("start", "end"))
        feeds = [
            {"created_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "entry_id": number, "field1": value}
            for number, (at, value) in enumerate(sorted(channel.feed.items()), 1)
            if start <= at <= end
        ]
        return Reply(200, json.dumps({"channel": {"id": channel.number}, "feeds": feeds}), {}, "application/json")

    @staticmethod
    def registration(key: RegistrationKeyText = KEY) -> Registration:
        return derive(key)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.world.connections += 1

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = body.decode() if "form" in self.headers.get("Content-Type", "") else ""
        request = Request(
            self.command,
            parts.path,
            {name: values[0] for name, values in parse_qs(parts.query).items()},
            {name: values[0] for name, values in parse_qs(form).items()},
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )
        reply = self.server.world.answer(request)
        if reply.then_drop:
            # Linger 0 makes close() send RST, as a router does that lost its memory.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            self.wfile = _Nowhere()
            return
        data = reply.body.encode()
        head = [f"HTTP/1.1 {reply.status} x", f"Content-Type: {reply.content_type}"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        if reply.status != 304:
            head.append(f"Content-Length: {len(data)}")
        self.wfile.write("\r\n".join([*head, "", ""]).encode() + (data if reply.status != 304 else b""))

    do_GET = do_POST = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class _Nowhere:
    closed = False

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        self.closed = True
