"""Forms about new devices: who comes in, who is expected, and what is decided about those that wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.expected import Expected, read_lines
from devices.models import PendingDevice, RegistrationPolicy
from orgs import access
from orgs.editing import EditForm
from orgs.fields import ManyField, OrganizationField
from orgs.models import Organization, User

Admits = RegistrationPolicy.Admits
LARGEST_TEXT = 500_000
PROBLEMS_SHOWN = 20
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
        # What somebody else has chosen meanwhile is said in words.
        self.current = {"admits": dict(CHOICES)[Admits(policy.admits)]}


class ExpectedForm(forms.Form):
    """Serial numbers, typed or out of a file. What was in a file with mistakes comes back as text, to be mended."""

    lines = forms.CharField(
        label=gettext_lazy("Serial numbers, one a line"),
        required=False,
        max_length=LARGEST_TEXT,
        help_text=gettext_lazy("If you like, with a name and an organization: 74743827342, Kitchen, Household"),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a CSV file"),
        required=False,
        help_text=gettext_lazy("With the columns serial, name, organization. Only the first one is needed."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        *,
        customer: Organization,
    ) -> None:
        super().__init__(data, files)
        self._customer = customer
        self.rows: list[Expected] = []

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        text = self.cleaned_data["lines"]
        if upload := self.cleaned_data.get("file"):
            text = f"{text}\n{self._text_of(upload)}".strip("\n") if text.strip() else self._text_of(upload)
            self.data = {**self.data.dict(), "lines": text}  # type: ignore[attr-defined]
        found = read_lines(text, customer=self._customer)
        problems = found.problems[:PROBLEMS_SHOWN]
        if more := len(found.problems) - len(problems):
            problems.append(_("{count} more lines have mistakes.").format(count=more))
        if not found.rows and not problems:
            problems = [_("Enter at least one serial number, or choose a file.")]
        for problem in problems:
            self.add_error("lines", problem)
        self.rows = found.rows
        return cleaned

    def _text_of(self, upload: UploadedFile[Any]) -> str:
        if (upload.size or 0) > LARGEST_TEXT:
            raise forms.ValidationError({"file": _("The file is too large: choose one of at most 500 KB.")})
        try:
            # Spreadsheets put a mark at the beginning of UTF-8.
            return str(upload.read(), "utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError(
                {"file": _("The file is no text in UTF-8. In a spreadsheet, save it as “CSV UTF-8”.")}
            ) from None


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
