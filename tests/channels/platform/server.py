"""A real server with the platform on it, as in production: gunicorn, a database file, no test client."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Server:
    """Where it listens, and the account key of somebody who has an account there."""

    host: str
    port: int
    account: str
    login: str

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def new_channel(self, **settings: str) -> dict[str, Any]:
        """Create a channel by the API: its `id`, `write` and `read` key."""
        answer = requests.post(f"{self.url}/channels.json", data={"api_key": self.account, **settings}, timeout=10)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        write, read = (key["api_key"] for key in made["api_keys"])
        return {"id": made["id"], "write": write, "read": read}


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Server]:
    """Run the portal under gunicorn on a fresh database in `folder`, on a port of its own."""
    settings = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'server.sqlite3'}",
        "CACHE_URL": "locmem://",
        "PLATFORM_UPDATE_INTERVAL": "0",
        "PLATFORM_BULK_INTERVAL": "0",
        **environment,
    }
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], env=settings, check=True, timeout=120)
    made = subprocess.run(
        [*manage, "shell", "-v0", "-c", _OPEN], env=settings, check=True, timeout=60, capture_output=True, text=True
    )
    account = json.loads(made.stdout.strip().splitlines()[-1])
    gunicorn = [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", "127.0.0.1:0", "--workers", "1"]
    process = subprocess.Popen(gunicorn, env=settings, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"Listening at: http://([\d.]+):(\d+)", line):
                yield Server(found[1], int(found[2]), **account)
                return
        raise AssertionError("gunicorn ended before it listened")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


_OPEN = """
import json
from channels.platform.models import Account
account = Account.objects.open("Homer")
print(json.dumps({"account": account.key, "login": account.login}))
"""
