"""The one place that calls ThingSpeak: time-outs, what is repeated, and errors that quote no key."""

from __future__ import annotations

import email.utils
import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from channels.platforms import NotUnderstood, OutOfReach

log = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
# A call is repeated once, and only if the first try failed quickly: a server that is slow is not helped by more calls.
REPEAT_WITHIN, PAUSE = 4.0, 0.3
# A server that sends its body drop by drop is given up then. The longest way there: a first try that fails just
# before REPEAT_WITHIN, the pause, and a second try that connects and begins to answer as late as it may.
ALL_RECEIVED_WITHIN = 20.0
# The last drop may have been waited for from just before that moment.
ANSWERS_WITHIN = timedelta(seconds=ALL_RECEIVED_WITHIN + READ_SECONDS)
# 8000 entries of eight fields of 255 bytes are 17 MB.
MOST_BYTES = 32 * 1024 * 1024
LONGEST_RETRY_AFTER = 24 * 3600

_SAFE_TO_REPEAT = frozenset({"GET", "PUT", "DELETE"})
_NOT_NOW = frozenset({500, 502, 503, 504})
_SENDABLE = re.compile(r"[!-~]{1,128}")
_KEY_IN_ADDRESS = re.compile(r"(api_key=)[^&\s\"']+")


class NoConnection(OutOfReach):
    """No connection came about, so that asking for something else now would fail as well."""


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is the parsed JSON; it is None when the answer was empty or something else."""

    status: int
    body: Any
    is_json: bool
    is_empty: bool
    retry_after: int | None = None
    repeated: bool = False

    @property
    def is_good(self) -> bool:
        """Whether this is a success. The bare numbers 0 and -1 are ThingSpeak's way to say no under any status."""
        return 200 <= self.status < 300 and (self.is_json or self.is_empty) and self.body not in (0, -1, "0", "-1")

    @property
    def is_refusal(self) -> bool:
        """Whether ThingSpeak itself said no: a proxy on the way, or a hotel's login page, would not say it in JSON."""
        return not self.is_good and (self.is_json or self.is_empty)


def is_sendable(key: str) -> bool:
    """Tell whether a text can be a key at all. What cannot is never sent: libraries quote it in their complaint."""
    return bool(_SENDABLE.fullmatch(key))


class Line:
    """Calls one ThingSpeak. Raises OutOfReach when there is no answer, or none but "not now"."""

    def __init__(self, url: str, timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS)) -> None:
        self.url = url
        self.timeout = timeout

    def call(
        self,
        method: str,
        path: str,
        *,
        account_key: str = "",
        channel_key: str = "",
        fields: Mapping[str, str] | None = None,
        timeout: tuple[float, float] | None = None,
        repeat: bool = True,
    ) -> Answer:
        """Send one request, once more if that is safe and the first try failed quickly.

        `path` begins with a slash and holds no key. `fields` go into the query of a GET, otherwise into a form body.
        `timeout` is (connect, read) in seconds. The account key goes into the body; in a GET, which has none, into the
        query, since the original takes it from nowhere else. A channel key goes into the header that the official
        libraries use.
        """
        started = time.monotonic()
        parameters = dict(fields or {})
        if account_key:
            parameters["api_key"] = account_key
        headers = {"X-THINGSPEAKAPIKEY": channel_key} if channel_key else {}
        in_query = method == "GET"

        def attempt(*, repeated: bool) -> Answer:
            with _session().request(
                method,
                self.url + path,
                params=parameters if in_query else None,
                data=None if in_query else parameters,
                headers=headers,
                timeout=timeout or self.timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return _answer(response, _read(response, started + ALL_RECEIVED_WITHIN), repeated=repeated)

        def may_repeat() -> bool:
            return repeat and method in _SAFE_TO_REPEAT and time.monotonic() - started < REPEAT_WITHIN

        try:
            answer = attempt(repeated=False)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if not (_was_cut_off(error) and may_repeat()):
                raise _no_answer(method, path, error) from None
        else:
            if not (answer.status in _NOT_NOW and answer.retry_after is None and may_repeat()):
                return self._unless_not_now(method, path, answer)
        time.sleep(PAUSE)
        try:
            answer = attempt(repeated=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _no_answer(method, path, error) from None
        return self._unless_not_now(method, path, answer)

    def _unless_not_now(self, method: str, path: str, answer: Answer) -> Answer:
        if answer.status >= 500:
            log.warning("%s %s: ThingSpeak answers %d.", method, path, answer.status)
            raise OutOfReach("The channel platform cannot answer now.", answer.retry_after or 30)
        return answer


def not_understood(method: str, path: str, answer: Answer) -> NotUnderstood:
    """Return the error for an answer that is outside of the contract, and leave a line for the operator."""
    log.warning("%s %s: ThingSpeak answers %d with something unexpected.", method, path, answer.status)
    return NotUnderstood(f"The channel platform's answer ({answer.status}) makes no sense.")


def not_now(answer: Answer) -> OutOfReach | None:
    """Return the error for an answer that asks for patience, or None for any other answer."""
    if answer.status == 429:
        return OutOfReach("The channel platform wants to be asked later.", answer.retry_after or 30)
    if answer.status == 402:
        return OutOfReach("The account's messages are used up for now.", answer.retry_after or 3600)
    return None


def _was_cut_off(error: Exception) -> bool:
    """Tell whether the connection failed or broke. A read time-out is not that: the server is there, and slow."""
    return isinstance(error, requests.ConnectionError | urllib3.exceptions.ProtocolError)


def _no_answer(method: str, path: str, error: Exception) -> OutOfReach:
    # Only the name of the error: its text quotes the address, and with it the key.
    log.warning("%s %s: no answer from ThingSpeak (%s).", method, path, type(error).__name__)
    if error.args and isinstance(error.args[0], urllib3.exceptions.MaxRetryError):
        return NoConnection("The channel platform cannot be reached.")
    return OutOfReach("The channel platform did not answer in time.")


def _read(response: requests.Response, until: float) -> bytes:
    """Return the body, decompressed. requests' own way to read it waits for each drop anew, without an end."""
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read1(65536, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise requests.exceptions.ContentDecodingError("too much")
        if time.monotonic() > until:
            raise requests.exceptions.ReadTimeout("too slow")
    return b"".join(parts)


def _answer(response: requests.Response, content: bytes, *, repeated: bool) -> Answer:
    status, body, is_json = response.status_code, None, False
    try:
        body = json.loads(content)
        is_json = True
    except (ValueError, RecursionError):
        pass
    if isinstance(body, dict) and "error" in body and 200 <= status < 300:
        # The error object names its status as text: {"status":"401","error":{…}}.
        text = str(body.get("status", ""))
        status = int(text) if re.fullmatch(r"[45]\d\d", text) else 400
    return Answer(
        status=status,
        body=body,
        is_json=is_json,
        is_empty=not content.strip(),
        retry_after=_seconds(response.headers.get("Retry-After", "")),
        repeated=repeated,
    )


def _seconds(retry_after: str) -> int | None:
    """Return what a Retry-After header asks for, in whole seconds (RFC 9110, 10.2.3: a number or a date)."""
    if re.fullmatch(r"\d{1,9}", retry_after.strip()):
        seconds = int(retry_after)
    else:
        try:
            moment = email.utils.parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = round(moment.timestamp() - time.time())
    return max(1, min(seconds, LONGEST_RETRY_AFTER))


@cache
def _session() -> requests.Session:
    """Return the process's session: it keeps connections open, which saves a TLS handshake a call."""
    session = requests.Session()
    session.headers.update({"Accept": "application/json", "User-Agent": "keydist"})
    # One customer's cookies must not travel with another customer's calls.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=16, max_retries=0))
    return session


def hang_up() -> None:
    """Close the connections that are kept open. The next call opens one again."""
    _session().close()


class _WithoutKeys(logging.Filter):
    """urllib3 writes the address of each call, and with it the account key, into its log."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "api_key=" in message:
            record.msg, record.args = _KEY_IN_ADDRESS.sub(r"\1…", message), ()
        return True


for _name in ("connection", "connectionpool", "poolmanager", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_WithoutKeys())
