"""The device side runs on a machine that has requests and cryptography, and nothing else of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SHARED = ("devices.envelope", "devices.registration_key_text", "devices.serials")
"""What the portal and devices have in common."""

_IMPORT_EVERYTHING = """
import importlib, pkgutil, sys

ALLOWED = {"requests", "urllib3", "certifi", "idna", "charset_normalizer", "cryptography", "cffi",
           "_cffi_backend", "devices"}
OURS = {"django", "rest_framework", "rich", "channels", "orgs", "portal"}
refused = []

class Guard:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names or root in ALLOWED:
            return None
        if root in OURS:
            refused.append(name)
        # Also said to requests, which looks for several packages that it can do without.
        raise ModuleNotFoundError(f"{name} is not on this machine", name=name)

sys.meta_path.insert(0, Guard())
import devices.envelope, devices.serials, devices.thermometer
for module in pkgutil.walk_packages(devices.thermometer.__path__, "devices.thermometer."):
    importlib.import_module(module.name)
assert not refused, refused
print("\\n".join(name for name in sys.modules if name.partition(".")[0] in OURS | {"devices"}))
"""


def test_everything_of_the_device_side_imports_without_django() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT_EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.split())
    assert {
        *SHARED,
        "devices.thermometer.cli",
        "devices.thermometer.delivery",
    } <= imported
    assert all(name in ("devices", *SHARED) or name.startswith("devices.thermometer") for name in imported)


def test_the_guard_of_that_test_would_notice_django() -> None:
    guarded = _IMPORT_EVERYTHING.replace("import devices.envelope,", "import django.conf, devices.envelope,")
    result = subprocess.run([sys.executable, "-c", guarded], cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode != 0
    assert "django is not on this machine" in result.stderr
