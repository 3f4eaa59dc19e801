"""What must be true at the end, counted from the feeds, the devices' files and the portal's rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import requests

from channels.models import ChannelKey, KeyState, Renewal
from devices.models import Device, RegistrationKey
from soak.fleet import Folder

MOST_RESULTS = 8000


def stored(update_url: str, serial: str) -> list[str]:
    """Return what is in the device's feed, as anybody with a read key gets it."""
    key = ChannelKey.objects.of_the_portal().select_related("channel").get(channel__device__serial=serial)
    address = f"{update_url.removesuffix('/update')}/channels/{key.channel.number}/feeds.json"
    answer = _session().get(address, params={"api_key": key.value, "results": str(MOST_RESULTS)}, timeout=30)
    return [feed["field1"] for feed in answer.json()["feeds"]]


def newest_write_key(serial: str) -> ChannelKey:
    return ChannelKey.objects.current().writing().get(channel__device__serial=serial)


def has_moved(folder: Folder, serial: str, registration_key: RegistrationKey) -> bool:
    """Whether the device has its channel's newest write key, and this registration key alone."""
    state = folder.state(serial)
    key = newest_write_key(serial)
    return (
        state.credentials is not None
        and (state.credentials.write_key, state.credentials.key_version) == (key.value, key.version)
        and state.registration.lookup == registration_key.lookup
        and state.previous_registration is None
    )


def wrong_in_feeds(folder: Folder) -> Iterator[str]:
    """Compare what each device has measured with its feed."""
    for serial in folder.serials:
        measured, there = folder.taken(serial), stored(folder.update_url(serial), serial)
        if there == measured:
            continue
        lost, more = Counter(measured) - Counter(there), Counter(there) - Counter(measured)
        yield f"{serial}: of {len(measured)} measurements lost {sorted(lost)}, too much {sorted(more)}, or out of order"


def wrong_in_keys(folder: Folder, registration_key: RegistrationKey) -> Iterator[str]:
    """Look whether each device uses the newest keys, and try all old ones."""
    for serial in folder.serials:
        if not has_moved(folder, serial, registration_key):
            yield f"{serial} does not use its newest keys"
    if going := Renewal.objects.open().count():
        yield f"{going} renewals are not over"
    update_url = folder.update_url(folder.serials[0])
    for key in ChannelKey.objects.writing().exclude(state=KeyState.CURRENT).select_related("channel"):
        answer = _session().post(update_url, {"api_key": key.value, "field1": "99.99"}, timeout=30)
        if answer.status_code != 400 or key.state not in (KeyState.ENDED, KeyState.REVOKED):
            yield f"write key {key.version} of channel {key.channel} is {key.state}, and answered {answer.status_code}"


def old_keys() -> int:
    """Return how many keys there were that are good no more."""
    write_keys = ChannelKey.objects.writing().exclude(state=KeyState.CURRENT).count()
    return write_keys + RegistrationKey.objects.filter(successor__isnull=False).count()


def wrong_in_registration_keys(portal: str, newest: RegistrationKey) -> Iterator[str]:
    """Let a device that is known ask with each of the old registration keys."""
    serial = Device.objects.values_list("serial", flat=True).first()
    for key in RegistrationKey.objects.exclude(pk=newest.pk):
        address = f"{portal}/midpoint/ws/iot/devices/{serial}"
        answer = _session().get(address, params={"key": key.lookup}, timeout=30)
        if answer.status_code != 403:
            yield f"the old registration key {key} is answered with {answer.status_code}"


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
