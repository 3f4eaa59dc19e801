"""Order as people expect it: "Flat 6" before "Flat 10", "Änne" beside "Anne", whatever the database's own rules are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

LONGEST = 255
_DIGITS = re.compile("[0-9]+")
_SPACE = re.compile(r"\s+")


def natural_key(text: str) -> str:
    """Return what a text is sorted by, one character after the other: a number is as great as it is long."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in apart if not unicodedata.combining(character))
    return _DIGITS.sub(_with_its_length, _SPACE.sub(" ", plain).strip())[:LONGEST]


def _with_its_length(found: re.Match[str]) -> str:
    number = found[0].lstrip("0") or "0"
    return f"{min(len(number), 99):02}{number}"


if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:  # Django's own class takes no type arguments
    _CharField = models.CharField


class SortKeyField(_CharField):
    """A column to sort by, kept by the model: whenever a row is stored, `key_of` tells what is in it.

    It is compared character by character in each database, as Python does it.
    """

    def __init__(self, *args: Any, key_of: Callable[[Any], str] | None = None, **options: Any) -> None:
        self._key_of = key_of
        super().__init__(*args, **{"max_length": LONGEST, "default": "", "editable": False, **options})

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        for option in ("default", "editable"):
            options.pop(option, None)
        return name, path, args, options

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        if self._key_of is None:  # In a migration, which has the columns of the models and not their rules.
            return str(super().pre_save(model_instance, add))
        key = self._key_of(model_instance)
        setattr(model_instance, self.attname, key)
        return key

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            # The language that the server happens to speak would leave out spaces, and count digits as letters.
            parameters["collation"] = "C"
        return parameters
