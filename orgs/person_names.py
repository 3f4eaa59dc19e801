"""What people may be called: a name stands at the head of mails to people who have not asked for them."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# A dot inside of a word makes a link in a mail only before small letters, or before a path: not so in "J.R." or
# "Dr.Who".
_WEB_ADDRESS = re.compile(r"://|\b[Ww][Ww][Ww]\.|\w\.\w{2,}/|\w\.[a-z]{2,}\b")


def refuse_web_address(name: str) -> None:
    """Raise ValidationError for a name in which a mail program would find a link."""
    if _WEB_ADDRESS.search(name):
        raise ValidationError(_("This looks like a web address. Enter a name only, with a space after each dot."))


class PersonNameField(forms.CharField):
    """A given or a family name of somebody."""

    default_validators = [refuse_web_address]

    def __init__(self, *, max_length: int = 100, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)
