"""A form for many things at once: a line each, typed or out of a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

LARGEST_TEXT = 500_000
"""In bytes of a file, or letters that are typed."""


class LinesForm(forms.Form):
    """Lines, typed or out of a file. What was in a file comes back as text, so that mistakes can be mended in place."""

    lines = forms.CharField(
        required=False,
        max_length=LARGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a CSV file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("lines", "file"):
            self.fields[name].one_of_several = True  # type: ignore[attr-defined]

    def take_in_file(self) -> str:
        """Return what was typed and what is in the file; the form then shows both as text. Raises ValidationError."""
        text: str = self.cleaned_data["lines"]
        if upload := self.cleaned_data.get("file"):
            uploaded = _text_of(upload)
            text = f"{text}\n{uploaded}".strip("\n") if text.strip() else uploaded
            self.data = {**dict(self.data.items()), "lines": text}
        return text


def _text_of(upload: UploadedFile[Any]) -> str:
    if (upload.size or 0) > LARGEST_TEXT:
        raise forms.ValidationError({"file": _("The file is too large: choose one of at most 500 KB.")})
    try:
        # Spreadsheets put a mark at the beginning of UTF-8.
        return str(upload.read(), "utf-8-sig")
    except UnicodeDecodeError:
        raise forms.ValidationError(
            {"file": _("The file is no text in UTF-8. In a spreadsheet, save it as “CSV UTF-8”.")}
        ) from None
