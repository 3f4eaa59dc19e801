"""Where the story is played: against a portal that runs already, or in one of its own that is gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portal.processes import Children, Portal, free_port


@dataclass(frozen=True)
class Stage:
    """A portal at `portal`, and an empty folder for the thermometer's state.

    `account_key` is Homer's on ThingSpeak, "" where the portal is the platform itself; `thingspeak` is the address of
    what plays ThingSpeak, if that was started for the story.
    """

    portal: str
    folder: Path
    account_key: str = field(repr=False, default="")
    thingspeak: str = ""


@contextmanager
def running_portal(portal: str, account_key: str) -> Iterator[Stage]:
    """Play against the portal at that address. What the story makes there stays."""
    with tempfile.TemporaryDirectory(prefix="keydist-story-") as folder:
        yield Stage(portal.rstrip("/"), Path(folder), account_key)


@contextmanager
def own_portal() -> Iterator[Stage]:
    """Start a portal with the embedded platform and an empty database. Raises CannotRun."""
    with tempfile.TemporaryDirectory(prefix="keydist-story-") as name:
        folder = Path(name)
        with Children(folder) as children:
            portal = _start(children, folder, "portal", CHANNEL_PLATFORM="embedded")
            yield Stage(portal.url, folder)


@contextmanager
def own_portal_and_thingspeak() -> Iterator[Stage]:
    """Start two instances: one plays ThingSpeak, the other is the portal that uses it. Raises CannotRun."""
    with tempfile.TemporaryDirectory(prefix="keydist-story-") as name:
        folder = Path(name)
        with Children(folder) as children:
            thingspeak = _start(children, folder, "thingspeak", CHANNEL_PLATFORM="embedded")
            account_key = thingspeak.manage("platform_account", "Homer Simpson").strip()
            portal = _start(children, folder, "portal", CHANNEL_PLATFORM="thingspeak", THINGSPEAK_URL=thingspeak.url)
            yield Stage(portal.url, folder, account_key, thingspeak.url)


def _start(children: Children, folder: Path, name: str, **environment: str) -> Portal:
    portal = Portal(
        children,
        port=free_port(),
        name=name,
        DATABASE_URL=f"sqlite:///{folder / name}.sqlite3",
        CACHE_URL="locmem://",
        **environment,
    )
    portal.manage("migrate", "--verbosity=0")
    portal.start()
    portal.start_worker()
    return portal
