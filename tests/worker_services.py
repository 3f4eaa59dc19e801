"""A pytest plugin, loaded before the settings: each parallel worker gets a Redis database of its own.

Tests empty the cache, and with one database for all workers they would empty each other's.
"""

from __future__ import annotations

import os
import re

worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
url = os.environ.get("CACHE_URL", "")
if match := re.fullmatch(r"(redis://.*/)(\d+)", url):
    os.environ["CACHE_URL"] = f"{match[1]}{max(int(match[2]) - int(worker.removeprefix('gw')), 0)}"
