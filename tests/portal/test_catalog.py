"""The catalogs of translations are complete: nothing in the sources is left in English."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.pofile import read_po
from django.conf import settings

from portal.translations import catalogs

SOURCES = ("channels", "devices", "orgs", "portal", "templates")
CATALOGS = [pytest.param(path, id=path.parent.parent.name) for path in catalogs()]


def read(path: Path) -> Catalog:
    with path.open("rb") as source:
        return read_po(source, locale=path.parent.parent.name)


def identities(catalog: Catalog) -> set[tuple[str, ...]]:
    return {
        (message.context or "", *(message.id if isinstance(message.id, tuple) else (message.id,)))
        for message in catalog
        if message.id
    }


@pytest.mark.parametrize("path", CATALOGS)
def test_everything_is_translated(path: Path) -> None:
    def is_done(string: object) -> bool:
        return all(string) if isinstance(string, tuple) else bool(string)

    assert [message.id for message in read(path) if message.id and not is_done(message.string)] == []


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What `make messages` finds in the sources; a machine without GNU gettext has to get it."""
    if shutil.which("xgettext") is None and not os.environ.get("CI"):
        pytest.fail("This test needs GNU gettext: apt-get install gettext")
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copytree(settings.BASE_DIR / name, folder / name, ignore=shutil.ignore_patterns("static", "__pycache__"))
    (folder / "locale").mkdir()
    arguments = ["-m", "django", "makemessages", "--locale=de", "--no-wrap", "--no-location"]
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return read(folder / "locale" / "de" / "LC_MESSAGES" / "django.po")


@pytest.mark.parametrize("path", CATALOGS)
def test_nothing_in_the_sources_is_missing_from_the_catalog(path: Path, extracted: Catalog) -> None:
    assert identities(extracted) - identities(read(path)) == set()


@pytest.mark.parametrize("path", CATALOGS)
def test_the_catalog_has_nothing_that_the_sources_have_not(path: Path, extracted: Catalog) -> None:
    assert identities(read(path)) - identities(extracted) == set()
