"""What people may type for a registration key, and what is refused with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.registration_key_text import NotARegistrationKey, RegistrationKeyText, parse_lookup


@pytest.mark.parametrize(
    "typed",
    [
        "HQ481047-1JWORF43",
        "hq481047-1jworf43",
        "hq481047 - 1jworf43",
        "  HQ48 1047-1JWO RF43\n",
        "HQ481047 1JWORF43",
        "HQ481047–1JWORF43",
        "HQ481047\u20111JWORF43",
    ],
)
def test_a_key_is_read_however_it_is_typed(typed: str) -> None:
    key = RegistrationKeyText.parse(typed)

    assert (key.lookup, key.secret, key.text) == ("HQ481047", "1JWORF43", "HQ481047-1JWORF43")


@pytest.mark.parametrize(
    "typed",
    [
        "HQ481047",
        "HQ481047-1JWORF4",
        "HQ481047-1JWORF433",
        "HQ48104-71JWORF43",
        "HQ481047--1JWORF43",
        "HQ481047_1JWORF43",
        "ÄQ481047-1JWORF43",
        "ıQ481047-1JWORF43",
        "HQ481047-1JWOR٣43",
    ],
)
def test_what_is_not_a_key_is_refused_with_an_example_and_without_repeating_it(typed: str) -> None:
    with pytest.raises(NotARegistrationKey, match="8 letters or digits, a dash, and 8 more") as refusal:
        RegistrationKeyText.parse(typed)

    assert typed not in str(refusal.value).replace("like HQ481047-1JWORF43", "")


def test_a_key_of_the_wrong_length_is_told_its_length() -> None:
    with pytest.raises(NotARegistrationKey, match="This has 15"):
        RegistrationKeyText.parse("HQ481047-1JWORF4")


@pytest.mark.parametrize("typed", ["", "   "])
def test_a_missing_key_is_called_missing(typed: str) -> None:
    with pytest.raises(NotARegistrationKey, match="missing"):
        RegistrationKeyText.parse(typed)


@given(st.text())
def test_any_text_is_either_a_key_or_refused(typed: str) -> None:
    try:
        key = RegistrationKeyText.parse(typed)
    except NotARegistrationKey:
        return
    assert RegistrationKeyText.parse(key.text) == key


def test_generated_keys_are_well_formed_and_differ() -> None:
    keys = {RegistrationKeyText.generate() for _ in range(100)}

    assert len({key.lookup for key in keys} | {key.secret for key in keys}) == 200
    assert all(RegistrationKeyText.parse(key.text) == key for key in keys)


def test_the_lookup_half_is_read_in_any_letter_case() -> None:
    assert parse_lookup("hq481047") == "HQ481047"


@pytest.mark.parametrize("sent", ["", "HQ48104", "HQ4810477", "HQ48 047", "HQ48104٣", "HQ481047-1JWORF43"])
def test_what_is_not_a_lookup_half_is_refused(sent: str) -> None:
    with pytest.raises(NotARegistrationKey):
        parse_lookup(sent)
