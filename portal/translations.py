"""Compiling the texts in other languages. Django's own command needs GNU gettext, which a fresh machine lacks."""

from __future__ import annotations

import os
from pathlib import Path

from babel.messages import mofile, pofile
from django.conf import settings


def catalogs() -> list[Path]:
    """Return the files with the translated texts."""
    return sorted(found for folder in settings.LOCALE_PATHS for found in Path(folder).glob("*/LC_MESSAGES/*.po"))


def compile_catalogs() -> list[Path]:
    """Compile each catalog that is newer than what has been made of it; return those."""
    stale = [catalog for catalog in catalogs() if _is_stale(catalog)]
    for catalog in stale:
        with catalog.open("rb") as source:
            read = pofile.read_po(source, locale=catalog.parent.parent.name, abort_invalid=True)
        # Another process may be reading the old one, or compiling too.
        unfinished = _compiled(catalog).with_suffix(f".{os.getpid()}")
        with unfinished.open("wb") as target:
            mofile.write_mo(target, read)
        unfinished.replace(_compiled(catalog))
    return stale


def _compiled(catalog: Path) -> Path:
    return catalog.with_suffix(".mo")


def _is_stale(catalog: Path) -> bool:
    compiled = _compiled(catalog)
    return not compiled.exists() or compiled.stat().st_mtime < catalog.stat().st_mtime
