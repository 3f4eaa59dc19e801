"""Imports run one way: portal → devices → channels → orgs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "orgs": set[str](),
    "channels": {"orgs"},
    "devices": {"orgs", "channels"},
    "portal": {"orgs", "channels", "devices"},
}


def modules(room: str) -> list[Path]:
    return [path for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in modules(room)
        for name in imported(path)
        if name.split(".")[0] in MAY_IMPORT.keys() - MAY_IMPORT[room] - {room}
    }
    assert modules(room)
    assert wrong == set()


def test_only_the_tree_and_the_models_know_mptt() -> None:
    knowing = {
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in modules(room)
        if any(name.split(".")[0] == "mptt" for name in imported(path))
    }
    assert knowing <= {"orgs/models.py", "orgs/admin.py"}
    assert "orgs/models.py" in knowing


def test_the_portal_knows_the_embedded_platform_only_through_its_interface() -> None:
    """Apart from the platform itself, one module imports it, and the addresses and the admin name it."""
    importing = {
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in modules(room)
        if "platform" not in path.relative_to(ROOT).parts[1:2]
        and any(name.startswith("channels.platform.") or name == "channels.platform" for name in imported(path))
    }
    assert importing == {"channels/embedded.py"}


def test_devices_need_nothing_of_django() -> None:
    shared = (ROOT / "devices" / f"{name}.py" for name in ("envelope", "registration_key_text", "serials"))
    for path in [*modules("devices/thermometer"), *shared]:
        assert not {name for name in imported(path) if name.split(".")[0] in ("django", "rest_framework")}, path
