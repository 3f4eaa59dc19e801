"""Names in the order in which people look for them."""

from __future__ import annotations

import random

import pytest

from orgs.natural import LONGEST, natural_key

IN_ORDER = [
    "",
    "Anna",
    "Änne",
    "attic",
    "Flat 6",
    "flat 006a",
    "Flat 7, kitchen",
    "FLAT  10",
    "Flat 10 north",
    "Flat 123456789012345678901234567890",
    "Flats",
    "Straße 2",
    "Strasse 10",
    "Zoo",
    "Ω",
]


@pytest.mark.parametrize("seed", range(5))
def test_numbers_count_as_numbers_and_case_and_accents_do_not_count(seed: int) -> None:
    shuffled = random.Random(seed).sample(IN_ORDER, len(IN_ORDER))
    assert sorted(shuffled, key=natural_key) == IN_ORDER


def test_a_key_fits_its_column() -> None:
    for name in ("1a" * 50, "ﷺ" * 100, "9" * 100):
        assert len(natural_key(name)) <= LONGEST
