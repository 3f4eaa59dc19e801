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
        field.label = _("What becomes of its channel {number}?").format(number=device.channel.number)
        field.choices = [  # type: ignore[attr-defined]
            (KEEP, _("It stays on the platform with all that was measured; the account key opens it.")),
            (DELETE, _("It is deleted with all that was measured, for good.")),
        ]

    @property
    def keeps_channel(self) -> bool:
        return bool(self.cleaned_data.get("channel", KEEP) == KEEP)


class ReplaceDeviceForm(forms.Form):
    """The serial number of the hardware that takes the place."""

    serial = forms.CharField(
        label=gettext_lazy("Serial number of the new one"),
        max_length=MAX_LENGTH,
        validators=[validate_serial],
        help_text=gettext_lazy("It is printed on the device. The new one may have come in already, or come later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("If the new one has come in by itself and has a channel of its own: what becomes of that?"),
        widget=forms.RadioSelect,
        initial=DELETE,
        required=False,
        choices=[
            (DELETE, gettext_lazy("It is deleted with what was measured there.")),
            (KEEP, gettext_lazy("It stays on the platform; the account key opens it.")),
        ],
    )

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
