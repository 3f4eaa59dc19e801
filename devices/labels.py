"""Printable labels for those who set up devices: a registration key as QR code and text, and room for the serial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import segno
from django import forms
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

MOST_LABELS = 200


@dataclass(frozen=True)
class Sheet:
    """A sheet of labels as shops sell them. `name` is its class in `labels.css`, which has the measures."""

    name: str
    title: Promise
    labels: int


SHEETS = {
    sheet.name: sheet
    for sheet in (
        Sheet("a4-24", _("A4, 24 labels of 70 × 37 mm"), 24),
        Sheet("a4-10", _("A4, 10 labels of 105 × 57 mm"), 10),
        Sheet("letter-30", _("Letter, 30 labels of 2⅝ × 1 inch"), 30),
        Sheet("letter-10", _("Letter, 10 labels of 4 × 2 inches"), 10),
    )
}


class LabelsForm(forms.Form):
    """How many labels, on which paper, and whether people can read the key on them."""

    sheet = forms.ChoiceField(
        label=_("Paper"), choices=[(sheet.name, sheet.title) for sheet in SHEETS.values()], initial="a4-24"
    )
    count = forms.IntegerField(
        label=_("How many labels"),
        min_value=1,
        max_value=MOST_LABELS,
        initial=24,
        help_text=_("One for each device, for example."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    readable = forms.BooleanField(
        label=_("Print the key as text, too"),
        required=False,
        initial=True,
        help_text=_("Without it the second half is in the QR code alone."),
    )

    def pages(self) -> list[range]:
        """Return one entry for each sheet of paper, with one for each label on it."""
        count, on_each = self.cleaned_data["count"], SHEETS[self.cleaned_data["sheet"]].labels
        return [range(min(on_each, count - start)) for start in range(0, count, on_each)]


def qr_code(text: str) -> segno.QRCode:
    """Return the QR code of a registration key: never a Micro QR code, which hardly any phone reads."""
    return segno.make_qr(text, error="m")


def qr_symbol(text: str) -> dict[str, Any]:
    """Return the QR code of `text` to be drawn once and used on each label: its size, and the inside of an SVG."""
    code = qr_code(text)
    width, height = code.symbol_size(scale=1, border=1)
    drawing: str = code.svg_inline(scale=1, border=1, omitsize=True)
    return {"view_box": f"0 0 {width} {height}", "inside": _safe(drawing)}


def _safe(drawing: str) -> SafeString:
    # Made of the key's squares alone by segno, with no text of anybody's in it.
    return mark_safe(drawing)  # noqa: S308
