"""Forms about new devices: who comes in, who is expected, and what is decided about those that wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from devices.expected import Expected, read_lines, replaced_by, require_places
from devices.models import ExpectedDevice, PendingDevice, RegistrationPolicy
from orgs import access
from orgs.editing import EditForm, digest
from orgs.errors import ChangedMeanwhile
from orgs.fields import ManyField, OrganizationField
from orgs.forms_lines import LinesForm
from orgs.lines import SHOWN, first_problems
from orgs.models import Organization, User
from orgs.paths import Paths

Admits = RegistrationPolicy.Admits
CHOICES = (
    (Admits.ALL, gettext_lazy("Every device that has a good registration key")),
    (Admits.APPROVED, gettext_lazy("Those that a manager lets in; until then they wait at the door")),
    (Admits.EXPECTED, gettext_lazy("Those whose serial number was entered beforehand")),
    (Admits.NONE, gettext_lazy("None: the door is closed")),
)


class PolicyForm(EditForm):
    """Which new devices come in."""

    admits = forms.ChoiceField(
        label=gettext_lazy("Which new devices come in?"), choices=CHOICES, widget=forms.RadioSelect
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, policy: RegistrationPolicy) -> None:
        super().__init__(data, current={"admits": policy.admits})


class ExpectedForm(LinesForm):
    """Serial numbers, typed or out of a file.

    What would replace something on the list comes back once, as what was in a file with mistakes does: sending it
    again means it. `is_valid` reads the lines alone and needs no lock; `agrees_with_what_is_stored` does.
    """

    replaces = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        *,
        customer: Organization,
        paths: Paths,
    ) -> None:
        super().__init__(data, files)
        self.fields["lines"].label = gettext_lazy("Serial numbers, one a line")
        self.fields["lines"].help_text = gettext_lazy(
            "If you like, with a name and an organization: 74743827342, Kitchen, Household"
        )
        self.fields["file"].help_text = gettext_lazy(
            "With the columns serial, name, organization. Only the first one is needed."
        )
        self._customer, self._paths = customer, paths
        self.rows: list[Expected] = []

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        found = read_lines(self.take_in_file(), customer=self._customer)
        problems = first_problems(found.problems)
        if not found.rows and not problems:
            problems = [_("Enter at least one serial number, or choose a file.")]
        for problem in problems:
            self.add_error("lines", problem)
        self.rows = found.rows
        return cleaned

    def agrees_with_what_is_stored(self) -> bool:
        """Compare the rows with what is there, once nobody else can change that before they are entered."""
        try:
            require_places(self.rows)
        except ChangedMeanwhile as error:
            self.add_error(None, str(error))
        else:
            self._ask_before_replacing()
        return self.is_valid()

    def _ask_before_replacing(self) -> None:
        lines = [_replacing(*pair, self._paths) for pair in replaced_by(self.rows, customer=self._customer)]
        question = digest(lines)
        if not lines or self.data.get("replaces") == question:
            return
        self.data = {**dict(self.data.items()), "replaces": question}
        shown = lines[:SHOWN]
        if more := len(lines) - len(shown):
            shown.append(
                ngettext("… and {count} more.", "… and {count} more.", more).format(count=more),
            )
        self.add_error(
            None, [_("Something else is on the list already. Put it on the list again to replace that:"), *shown]
        )


def _replacing(before: ExpectedDevice, now: Expected, paths: Paths) -> str:
    return _("{serial}: so far {before}; new: {now}.").format(
        serial=now.serial,
        before=_named(before.name, before.organization, paths),
        now=_named(now.name, now.organization, paths),
    )


def _named(name: str, place: Organization | None, paths: Paths) -> str:
    if place is None:
        return _("“{name}”, where its key puts it").format(name=name) if name else _("no name, where its key puts it")
    return (_("“{name}” in {place}") if name else _("no name, in {place}")).format(name=name, place=paths.to(place))


class DecideForm(forms.Form):
    """What is decided about which of the devices at the door."""

    APPROVE, REFUSE, FORGET = "approve", "refuse", "forget"

    step = forms.ChoiceField(choices=[(APPROVE, ""), (REFUSE, ""), (FORGET, "")])

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["pending"] = ManyField(
            PendingDevice.objects.managed_by(user).select_related("organization").order_by("serial"),
            error_messages={"required": gettext_lazy("Choose at least one device.")},
        )
        self.fields["organization"] = OrganizationField(
            access.managed_organizations(user),
            required=False,
            label=gettext_lazy("Put those that come in into"),
            empty_label=gettext_lazy("The place of their registration key"),
        )
