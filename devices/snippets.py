"""What somebody copies to read a device from a program of their own: for curl, Python and Home Assistant."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from devices.latest import FIELD
from devices.models import Device
from devices.readings import UNIT

PLACEHOLDER = "YOUR_READ_KEY"
NEWEST = "10"

_PYTHON = """\
import json
from urllib.request import urlopen

ADDRESS = {address}

with urlopen(ADDRESS, timeout=10) as answer:
    for entry in json.load(answer)["feeds"]:
        print(entry["created_at"], entry["field{field}"])
"""
_HOME_ASSISTANT = """\
# In configuration.yaml
rest:
  - resource: {address}
    scan_interval: 60
    sensor:
      - name: {name}
        unique_id: {unique_id}
        value_template: "{{{{ value_json.field{field} }}}}"
        unit_of_measurement: {unit}
        device_class: temperature
        state_class: measurement
"""


@dataclass(frozen=True)
class Snippet:
    """`name` is part of the id of its element on the page, `title` what people see."""

    name: str
    title: Promise | str
    code: str


def snippets_for(device: Device, read_key: str = PLACEHOLDER) -> list[Snippet]:
    """Return what reads the device's channel with that key; nothing for a device without a channel."""
    if device.channel is None:
        return []
    platform, number = device.channel.account.on_platform, device.channel.number
    feed = platform.feed_url(number, api_key=read_key, results=NEWEST)
    last = platform.feed_url(number, last=True, api_key=read_key)
    # JSON's texts are texts in Python and YAML, too, whatever people call their devices.
    python = _PYTHON.format(address=json.dumps(feed), field=FIELD)
    home_assistant = _HOME_ASSISTANT.format(
        address=json.dumps(last),
        name=json.dumps(str(device), ensure_ascii=False),
        unique_id=json.dumps(f"channel_{number}_temperature"),
        unit=json.dumps(UNIT, ensure_ascii=False),
        field=FIELD,
    )
    return [
        Snippet("curl", "curl", f'curl "{feed}"'),
        Snippet("python", "Python", python.rstrip()),
        Snippet("home-assistant", _("Home Assistant"), home_assistant.rstrip()),
    ]
