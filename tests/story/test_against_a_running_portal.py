"""`manage.py story --base-url`, twice, and told to people."""

from __future__ import annotations

import re
from pathlib import Path

from portal.processes import Children, Portal, free_port
from tests.story.test_story import run


def test_it_can_be_played_twice_and_is_told_to_people(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        portal = Portal(children, port=free_port(), DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3")
        portal.manage("migrate", "--verbosity=0")
        portal.start()
        first, second = (run("--base-url", portal.url) for _ in range(2))
    for done in (first, second):
        assert done.returncode == 0, done.stdout
        assert "7  All keys are renewed while the thermometer keeps measuring" in done.stdout
        assert "The story is true: 7 steps" in done.stdout
    channels = [set(re.findall("channel ([0-9]+)", done.stdout)) for done in (first, second)]
    assert channels[0].isdisjoint(channels[1])
