"""The Simpsons' thermometers, as the portal sees them: they fetch their envelope and write what they have measured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import requests

from devices.envelope import Payload, open_envelope
from devices.registration_key_text import RegistrationKeyText
from portal.demo import Cast

KITCHEN, REACTOR = "74743827342", "74743827345"


def _key() -> RegistrationKeyText:
    key = Cast.read().customers[0].registration_key
    assert key is not None
    return key


@cache
def _envelope_key() -> bytes:
    return _key().derive()


def ask(portal: str, serial: str, **headers: str) -> requests.Response:
    """Ask at the registration address, as the device does."""
    return requests.get(f"{portal}/midpoint/ws/iot/devices/{serial}?key={_key().lookup}", headers=headers, timeout=30)


def envelope(portal: str, serial: str) -> Payload:
    """Ask for the device's envelope and open it."""
    answer = ask(portal, serial)
    answer.raise_for_status()
    return open_envelope(answer.text, key=_envelope_key(), serial=serial)


def write(portal: str, serial: str, values: Sequence[float], *, until: datetime | None = None) -> None:
    """Write measurements, one a minute, the last one `until` (now, if not given)."""
    payload = envelope(portal, serial)
    last = until or datetime.now(UTC)
    updates = [
        {"created_at": (last - timedelta(minutes=back)).isoformat(), "field1": f"{value:.2f}"}
        for back, value in zip(range(len(values) - 1, -1, -1), values, strict=True)
    ]
    answer = requests.post(
        f"{portal}/channels/{payload.channel}/bulk_update.json",
        json={"write_api_key": payload.write_key, "updates": updates},
        timeout=30,
    )
    assert answer.status_code == 202, answer.text


def write_one(portal: str, serial: str, value: float) -> None:
    """Write one measurement now."""
    payload = envelope(portal, serial)
    answer = requests.post(payload.update_url, data={"api_key": payload.write_key, "field1": value}, timeout=30)
    assert answer.text != "0"
