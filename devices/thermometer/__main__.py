"""`python -m devices.thermometer`."""

from __future__ import annotations

import sys

from devices.thermometer.cli import main

if __name__ == "__main__":
    sys.exit(main())
