"""What a serial number may look like. Used by the portal and by devices, so nothing here needs Django."""

from __future__ import annotations

import re

MAX_LENGTH = 64
_SERIAL = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class NotASerial(ValueError):
    """The text is not a serial number; the message says what one looks like."""

    def __init__(self) -> None:
        super().__init__(
            "A serial number has 1 to 64 of the characters A-Z a-z 0-9 . _ : - and is not just one or two dots."
        )


def check_serial(text: str) -> str:
    """Return `text` unchanged if it is a serial number: 1 to 64 of `A-Z a-z 0-9 . _ : -`. Raises NotASerial.

    The two serials "." and ".." are refused: as the last part of an address they mean another address
    (RFC 3986, 5.2.4), and every HTTP client resolves them before the portal sees the request.
    """
    if _SERIAL.fullmatch(text) is None or text in (".", ".."):
        raise NotASerial
    return text
