"""What README and docs point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from portal.environment import SETTINGS
from screenshots.pictures import MOST_BYTES, PICTURES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    ours = [link for link in links if "://" not in link]
    assert [link for link in ours if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) - get_commands().keys() == set()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) - targets == set()


def test_settings_are_called_what_they_are_called() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    djangos = {"CONN_MAX_AGE"}
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)[`=]", text)) - {setting.name for setting in SETTINGS} == djangos


def test_the_pictures_are_those_that_are_taken_and_light_enough_for_a_repository() -> None:
    pictures = {picture.stem: picture.stat().st_size for picture in (ROOT / "docs" / "screenshots").glob("*.png")}
    assert pictures.keys() == {picture.name for picture in PICTURES}
    assert {name: size for name, size in pictures.items() if size > MOST_BYTES} == {}
    shown = {link for page in PAGES for link in re.findall(r"screenshots/([a-z-]+)[.]png", page.read_text("utf-8"))}
    assert shown == pictures.keys()
