"""The portal and what stands around it: started, killed, taken away, and brought back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from portal.processes import Child, Children, Portal, free_port

AT_LONGEST = 900.0
"""Seconds that anything may take. This is for what will never come: nothing here waits for a time to pass."""


class Missed(Exception):
    """Something did not come about. The message says what."""


@dataclass
class Server:
    """An instance of our software, with its worker, that can be ended and started again on the same database."""

    portal: Portal
    children: Children
    running: list[Child] = field(default_factory=list)

    def start(self) -> None:
        self.running = [self.portal.start(), self.portal.start_worker("--renew-every", "1")]

    def end(self, *, at_once: bool) -> None:
        """`at_once`: by SIGKILL, in whatever its processes are doing."""
        for child in self.running:
            self.children.end(child, at_once=at_once)
        self.running = []


class Stage:
    """The portal, the instance that plays ThingSpeak for it where that is wanted, and the fleet."""

    def __init__(self, children: Children, folder: Path, platform: str) -> None:
        self.children = children
        self.folder = folder
        self.account_key = ""
        self.thingspeak: Server | None = None
        more = {}
        if platform == "thingspeak":
            self.thingspeak = self._server("thingspeak", f"sqlite:///{folder}/thingspeak.sqlite3", "embedded")
            self.account_key = self.thingspeak.portal.manage("platform_account", "Homer Simpson").strip()
            more = {"THINGSPEAK_URL": self.thingspeak.portal.url}
        self.portal = self._server("portal", os.environ["DATABASE_URL"], platform, **more)

    @property
    def platform(self) -> Server:
        """Where the channels live."""
        return self.thingspeak or self.portal

    def start(self) -> None:
        for server in (self.thingspeak, self.portal):
            if server:
                server.start()

    def start_fleet(self, folder: Path, key: str, **options: object) -> Child:
        """Switch the thermometers on; `options` are those of `soak.fleet`."""
        folder.mkdir(mode=0o700)
        key_file = folder / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        settled = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        return self.children.start(
            "The fleet",
            [sys.executable, "-m", "soak.fleet", str(folder), f"--key-file={key_file}", *settled],
            log="fleet",
            environment=os.environ,
        )

    def wait_for_the_end_of(self, fleet: Child) -> None:
        """Wait until the thermometers have got rid of all that they have measured. Raises Missed."""
        if not fleet.wait(AT_LONGEST):
            raise Missed("It did not come about that the fleet delivers all that it has measured.")
        self.children.end(fleet)

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait for it; raises Missed if it never comes, CannotRun if a process ends that should not."""
        if not self.children.wait_until(is_so, within=AT_LONGEST):
            raise Missed(f"It did not come about that {what}.")

    def _server(self, name: str, database: str, platform: str, **more: str) -> Server:
        portal = Portal(
            self.children,
            port=free_port(),
            name=name,
            DATABASE_URL=database,
            CACHE_URL="locmem://",
            CHANNEL_PLATFORM=platform,
            **more,
        )
        portal.manage("migrate", "--verbosity=0")
        return Server(portal, self.children)
