"""The soak in a small size, on the database that the tests run on; `make soak` plays the large one."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from django.conf import settings

WITHIN = 600


def test_a_small_fleet_loses_nothing_while_its_keys_change_twice_and_the_portal_is_killed() -> None:
    is_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    where = ["--only=sqlite"] if is_sqlite else ["--only=postgresql", f"--postgres={os.environ['DATABASE_URL']}"]
    done = subprocess.run(
        [sys.executable, "-m", "soak", "--devices=4", "--away=2", *where],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Round 1: portal is killed after" in done.stdout
    assert "Round 2: portal is taken away after" in done.stdout
    assert re.search(
        r"4 devices, [0-9]+ measurements, all there exactly once; every device uses its newest keys, "
        r"10 old keys are refused; seed [0-9a-f]{8}\.\n",
        done.stdout,
    )
