"""One HTTP request and its answer: the one place that knows `requests`, its time-outs and its errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError  # requests is built on it and passes its errors through

log = logging.getLogger(__name__)

TIMEOUT = (3.05, 10.0)
"""Seconds to connect, and between two pieces of the answer."""
LONGEST_ANSWER_TIME = 30.0
"""Seconds for the whole answer: a server that sends a byte every nine seconds must not hold a device for ever."""
LARGEST_ANSWER = 512 * 1024
"""Bytes. An envelope has half a thousand; the largest honest answer is a list of stored entries."""
USER_AGENT = "keydist-thermometer/1"


class NoAnswer(Exception):
    """No usable answer came. The message says why in words, without the address's query, which may hold keys."""

    def __init__(self, message: str, *, in_time: bool = True) -> None:
        super().__init__(message)
        self.in_time = in_time


@dataclass(frozen=True)
class Answer:
    """What a server answered. `headers` finds names in any letter case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case: `application/jose`."""
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()

    @property
    def date(self) -> float | None:
        """The server's clock (`Date`) in seconds since 1970, if it said."""
        return _seconds(self.headers.get("Date", ""))

    def retry_after(self, now: float) -> float | None:
        """Return the seconds to wait that `Retry-After` asks for (RFC 9110, 10.2.3), None if it does not.

        `now` is the device's clock in seconds since 1970. Where the server gives a date, it is compared with the
        server's own clock if that is known, because the device's may be wrong by years.
        """
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        moment = _seconds(value)
        if moment is None:
            return None
        return max(0.0, moment - (self.date if self.date is not None else now))


def _seconds(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def exchange(
    session: requests.Session,
    method: str,
    address: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    json: object = None,
) -> Answer:
    """Send one request and return the answer, whatever its status. Raises NoAnswer.

    Redirects are not followed: they would carry keys to an address that nobody configured.
    """
    host = f"{urlsplit(address).scheme}://{urlsplit(address).netloc}"
    sent: dict[str, Any] = {"params": params, "data": form, "json": json}
    sent_headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
    until = time.monotonic() + LONGEST_ANSWER_TIME
    try:
        with session.request(
            method, address, headers=sent_headers, timeout=TIMEOUT, allow_redirects=False, stream=True, **sent
        ) as response:
            body = _read(response, host, until)
            answer = Answer(response.status_code, response.headers, body.decode("utf-8", "replace"))
    except requests.exceptions.SSLError:
        raise NoAnswer(f"The certificate of {host} cannot be trusted.") from None
    except (requests.exceptions.Timeout, ReadTimeoutError):
        raise NoAnswer(f"{host} does not answer in time.", in_time=False) from None
    except (requests.exceptions.ConnectionError, HTTPError):
        raise NoAnswer(f"{host} cannot be reached.") from None
    except requests.exceptions.RequestException:
        # Said without the library's text: that quotes the whole address.
        raise NoAnswer(f"The request to {host} failed.") from None
    log.debug("%s %s%s: %d, %d bytes", method, host, urlsplit(address).path, answer.status, len(body))
    return answer


def _read(response: requests.Response, host: str, until: float) -> bytes:
    """Read the body piece by piece as it arrives: `iter_content` would wait for each piece to be full."""
    body = b""
    while piece := response.raw.read1(16 * 1024, decode_content=False):
        body += piece
        if len(body) > LARGEST_ANSWER or time.monotonic() > until:
            raise NoAnswer(f"The answer of {host} does not end.")
    response.raw.release_conn()  # read to its end, so the next request may use the connection
    return body


def for_people(text: str, *, longest: int = 200) -> str:
    """Return a server's words in a form fit for a terminal: one line, no control characters, not endless."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
