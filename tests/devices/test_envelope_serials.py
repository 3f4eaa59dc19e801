"""What a serial number may look like."""

from __future__ import annotations

import pytest

from devices.serials import NotASerial, check_serial


@pytest.mark.parametrize("serial", ["7", "74743827342", "a-b_c.d:E", "AA:BB:CC:00:11:22", "x" * 64, "..."])
def test_a_serial_has_up_to_64_plain_characters(serial: str) -> None:
    assert check_serial(serial) == serial


@pytest.mark.parametrize("serial", ["", "x" * 65, "a b", "a/b", "ä", "a\n", "7\x00", "٣", "%41", "a?b"])
def test_anything_else_is_refused(serial: str) -> None:
    with pytest.raises(NotASerial, match="1 to 64"):
        check_serial(serial)


@pytest.mark.parametrize("serial", [".", ".."])
def test_a_serial_that_would_change_the_address_is_refused(serial: str) -> None:
    with pytest.raises(NotASerial, match="dots"):
        check_serial(serial)
