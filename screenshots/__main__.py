"""Start the demo with a database of its own, let its thermometers measure, and take the pictures."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from screenshots.pictures import take_all

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "screenshots"
READY = "Stop everything with Ctrl-C"
READY_WITHIN = 180.0
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def main() -> int:
    """Take them all; return the exit status."""
    if CHROMIUM is None:
        print("There is no Chromium; have it with: apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, _demo(Path(folder)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for picture in take_all(browser, url, FOLDER):
            print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size // 1000} KB")
        browser.close()
    return 0


@contextmanager
def _demo(folder: Path) -> Iterator[str]:
    """Run the demo and yield its address, as soon as its thermometers measure."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "manage.py", "demo", f"--port={port}", f"--state={folder}"]
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "PYTHONUNBUFFERED": "1"}
    log = folder / "demo.log"
    with log.open("wb") as output:
        demo = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_ready(demo, log)
            yield f"http://localhost:{port}"
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(timeout=30)


def _wait_until_ready(demo: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while READY not in log.read_text(encoding="utf-8"):
        if demo.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"The demo does not start. It says:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
