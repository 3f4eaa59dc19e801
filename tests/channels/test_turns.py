"""Writers on SQLite queue at a file lock instead of sleeping; everybody else passes it by."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from django.db import connection, transaction

from channels.turns import turn_to_write
from tests.parallel import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)


def somebody_has_the_turn() -> bool:
    file = Path(f"{connection.settings_dict['NAME']}-turn")
    if not file.exists():
        return False
    probe = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(probe)
    return False


def test_a_turn_is_held_on_sqlite_alone_and_given_back() -> None:
    with turn_to_write():
        assert somebody_has_the_turn() is (connection.vendor == "sqlite")
    assert not somebody_has_the_turn()


def test_a_turn_is_given_back_when_the_write_fails() -> None:
    with pytest.raises(ZeroDivisionError), turn_to_write():
        raise ZeroDivisionError
    assert not somebody_has_the_turn()


def test_nobody_waits_for_a_turn_inside_a_transaction() -> None:
    with transaction.atomic(), turn_to_write():
        assert not somebody_has_the_turn()


def test_every_thread_gets_its_turn() -> None:
    served: list[int] = []

    def write(number: int) -> None:
        for _ in range(20):
            with turn_to_write():
                served.append(number)

    all_at_once(write, 4)
    assert sorted(served) == sorted(20 * list(range(4)))
