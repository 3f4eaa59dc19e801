"""Two devices with one serial number.

A device keeps the newest key that it has confirmed, whatever happens to its power. One that asks with an older state
afterwards is another device with the same serial number, or was set back to an old copy of its files.
"""

from __future__ import annotations

from channels import findings
from channels.models import Finding
from devices.models import Device


def notice(device: int) -> None:
    """Report to the managers that the device with this primary key has asked with a state that it had left behind."""
    found = Device.objects.select_related("channel__account").get(pk=device)
    if found.channel is None:
        return
    findings.notice(
        Finding.Kind.CLONED,
        account=found.channel.account,
        number=found.channel.number,
        channel=found.channel,
        label=str(found),
    )
