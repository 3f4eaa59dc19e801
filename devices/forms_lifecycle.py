"""Forms about the end of a device, and what is decided about several at once."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device, validate_serial
from devices.serials import MAX_LENGTH
from orgs.fields import ManyField
from orgs.models import User

KEEP, DELETE = "keep", "delete"


class DeleteDeviceForm(forms.Form):
    """What becomes of the channel of a device that is deleted."""

    channel = forms.ChoiceField(widget=forms.RadioSelect, initial=KEEP)

    def __init__(self, *args: Any, device: Device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if device.channel is None:
            del self.fields["channel"]
            return
        field = self.fields["channel"]
        field.label = self._question(device, device.channel.number)
        field.choices = [  # type: ignore[attr-defined]
            (KEEP, _("It stays on the platform with all that was measured; the account key opens it.")),
            (DELETE, _("It is deleted with all that was measured, for good.")),
        ]

    def _question(self, _device: Device, number: int) -> str:
        return _("What becomes of its channel {number}?").format(number=number)

    @property
    def keeps_channel(self) -> bool:
        return bool(self.cleaned_data.get("channel", KEEP) == KEEP)


class GiveUpDeviceForm(DeleteDeviceForm):
    """What becomes of the channel of a device whose hardware takes another one's place: there are two channels."""

    def _question(self, device: Device, number: int) -> str:
        return _("What becomes of channel {number}, which “{device}” has now?").format(number=number, device=device)


class ReplaceDeviceForm(forms.Form):
    """The serial number of the hardware that takes the place."""

    serial = forms.CharField(
        label=gettext_lazy("Serial number of the new one"),
        max_length=MAX_LENGTH,
        validators=[validate_serial],
        help_text=gettext_lazy("It is printed on the device. The new one may have come in already, or come later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
    )
    giving_up = forms.IntegerField(required=False, widget=forms.HiddenInput)
    """The device that this hardware is here already, by number, once the manager has seen which one that is."""
    channel = forms.CharField(required=False, widget=forms.HiddenInput)
    """What was said then about the channel of that device, in GiveUpDeviceForm."""

    @property
    def keeps_other_channel(self) -> bool:
        return bool(self.cleaned_data["channel"] != DELETE)


class ManyForm(forms.Form):
    """Which devices something is done to: all of them are the person's to manage."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["devices"] = ManyField(
            Device.objects.managed_by(user)
            .select_related("organization", "channel__account")
            .order_by(*Device.BY_NAME),
            error_messages={"required": gettext_lazy("Choose at least one device.")},
        )
