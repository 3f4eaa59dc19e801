"""The envelope opens for the right key, serial and nonce, and for nothing else."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OctKey

from devices.envelope import (
    MAX_LENGTH,
    CannotOpen,
    EnvelopeError,
    EnvelopeNotUnderstood,
    NonceMismatch,
    Payload,
    WrongRegistrationKey,
    WrongSerial,
    open_envelope,
    seal,
)
from devices.registration_key_text import RegistrationKeyText, derive_key

LOOKUP = "HQ481047"
KEY = bytes(range(32))
PAYLOAD = Payload(
    serial="74743827342",
    channel=142770,
    write_key="XR3P9W3ET7A4S2S0",
    key_version=3,
    update_url="http://localhost:8080/update",
    issued_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
    nonce="n-1",
)

halves = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=8, max_size=8)
moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
payloads = st.builds(
    Payload,
    serial=texts,
    channel=st.integers(1, 10**12),
    write_key=texts,
    key_version=st.integers(1, 10**6),
    update_url=st.sampled_from(["http://localhost:8080/update", "https://api.thingspeak.com/update"]),
    issued_at=moments,
    nonce=st.none() | texts,
    valid_until=st.none() | moments,
    registration_key=st.none() | st.builds(RegistrationKeyText, halves, halves),
)


def sealed(header: dict[str, object], plain: bytes, *, key: bytes = KEY, iv: bytes = bytes(12)) -> str:
    """An envelope made by hand, so that it may be anything."""
    first = b64(json.dumps(header).encode())
    text = AESGCM(key).encrypt(iv, plain, first.encode())
    return ".".join((first, "", b64(iv), b64(text[:-16]), b64(text[-16:])))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HEADER = {"alg": "dir", "enc": "A256GCM", "kid": LOOKUP}


def members(**changes: object) -> bytes:
    return json.dumps({**PAYLOAD.as_members(), **changes}).encode()


@given(payloads, st.binary(min_size=32, max_size=32), halves)
def test_what_is_sealed_opens_to_the_same(payload: Payload, key: bytes, lookup: str) -> None:
    text = seal(payload, key=key, lookup=lookup)

    assert open_envelope(text, key=key, lookup=lookup, serial=payload.serial, nonce=payload.nonce) == payload


@given(payloads)
def test_joserfc_opens_what_we_seal(payload: Payload) -> None:
    opened = jwe.decrypt_compact(seal(payload, key=KEY, lookup=LOOKUP), OctKey.import_key(KEY))

    assert opened.headers() == HEADER
    assert json.loads(opened.plaintext or b"") == payload.as_members()


@given(payloads)
def test_we_open_what_joserfc_seals(payload: Payload) -> None:
    text = jwe.encrypt_compact(HEADER, json.dumps(payload.as_members()).encode(), OctKey.import_key(KEY))

    assert open_envelope(text, key=KEY, lookup=LOOKUP) == payload


def test_no_two_envelopes_of_the_same_payload_are_alike() -> None:
    texts = {seal(PAYLOAD, key=KEY, lookup=LOOKUP) for _ in range(50)}

    assert len({text.split(".")[2] for text in texts}) == 50


def test_every_change_of_a_single_character_is_refused() -> None:
    text = seal(PAYLOAD, key=KEY, lookup=LOOKUP)
    for place, original in enumerate(text):
        for other in "Aa0-_.=" + chr(ord(original) ^ 1):
            if other != original:
                with pytest.raises(EnvelopeError):
                    open_envelope(text[:place] + other + text[place + 1 :], key=KEY)
        with pytest.raises(EnvelopeError):
            open_envelope(text[:place] + text[place + 1 :], key=KEY)
        with pytest.raises(EnvelopeError):
            open_envelope(text[:place] + "A" + text[place:], key=KEY)


@given(st.data())
def test_every_change_of_a_single_byte_is_refused(data: st.DataObject) -> None:
    parts = seal(PAYLOAD, key=KEY, lookup=LOOKUP).split(".")
    which = data.draw(st.sampled_from([0, 2, 3, 4]))
    decoded = bytearray(base64.urlsafe_b64decode(parts[which] + "=="))
    decoded[data.draw(st.integers(0, len(decoded) - 1))] ^= data.draw(st.integers(1, 255))
    parts[which] = b64(bytes(decoded))

    with pytest.raises(EnvelopeError):
        open_envelope(".".join(parts), key=KEY)


@given(st.text(max_size=300))
def test_whatever_is_not_an_envelope_is_refused(text: str) -> None:
    with pytest.raises(EnvelopeError):
        open_envelope(text, key=KEY)


@given(st.dictionaries(st.text(max_size=10), st.integers() | st.text(max_size=5) | st.none()), st.binary(max_size=99))
def test_whatever_is_sealed_by_somebody_who_does_not_know_the_protocol_is_refused(
    extra: dict[str, object], plain: bytes
) -> None:
    with pytest.raises(EnvelopeError):
        open_envelope(sealed({**extra, **HEADER}, plain), key=KEY)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        open_envelope(seal(PAYLOAD, key=KEY, lookup=LOOKUP), key=bytes(32), lookup=LOOKUP)


def test_an_envelope_for_another_registration_key_is_refused_before_it_is_opened() -> None:
    with pytest.raises(WrongRegistrationKey):
        open_envelope(seal(PAYLOAD, key=KEY, lookup="AAAAAAAA"), key=KEY, lookup=LOOKUP)


def test_an_envelope_for_another_device_is_refused() -> None:
    with pytest.raises(WrongSerial):
        open_envelope(seal(PAYLOAD, key=KEY, lookup=LOOKUP), key=KEY, serial="74743827343")


@pytest.mark.parametrize("mine", ["n-2", "N-1", "n-1 "])
def test_an_envelope_that_answers_another_request_is_refused(mine: str) -> None:
    with pytest.raises(NonceMismatch):
        open_envelope(seal(PAYLOAD, key=KEY, lookup=LOOKUP), key=KEY, nonce=mine)


def test_an_envelope_without_a_nonce_is_refused_where_one_was_sent() -> None:
    with pytest.raises(NonceMismatch):
        open_envelope(sealed(HEADER, members(nonce=None)), key=KEY, nonce="n-1")


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "A256GCMKW"},
        {"alg": "none"},
        {"alg": None},
        {"enc": "A128GCM"},
        {"enc": "A256CBC-HS512"},
        {"crit": ["exp"]},
        {"crit": []},
        {"zip": "DEF"},
        {"kid": 7},
        {"kid": None},
    ],
    ids=str,
)
def test_a_header_that_asks_for_something_else_is_refused(header: dict[str, object]) -> None:
    with pytest.raises(EnvelopeNotUnderstood):
        open_envelope(sealed({**HEADER, **header}, members()), key=KEY)


def test_a_name_that_occurs_twice_is_refused() -> None:
    twice = members()[:-1] + b', "channel": 1}'

    with pytest.raises(EnvelopeNotUnderstood):
        open_envelope(sealed(HEADER, twice), key=KEY)


@pytest.mark.parametrize("name", ["serial", "channel", "writeKey", "keyVersion", "updateUrl", "issuedAt"])
def test_a_payload_that_lacks_a_member_is_refused(name: str) -> None:
    with pytest.raises(EnvelopeNotUnderstood, match=name):
        open_envelope(sealed(HEADER, members(**{name: None})), key=KEY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channel", "142770"),
        ("channel", 0),
        ("channel", True),
        ("channel", 1.5),
        ("keyVersion", -1),
        ("writeKey", 7),
        ("writeKey", ""),
        ("updateUrl", "javascript:alert(1)"),
        ("updateUrl", "ftp://localhost/update"),
        ("updateUrl", "http:///update"),
        ("updateUrl", "http://[::1/update"),
        ("issuedAt", "2026-11-23T12:00:00"),
        ("issuedAt", "2026-11-23T12:00:00+00:00"),
        ("issuedAt", "2026-13-23T12:00:00Z"),
        ("issuedAt", 1795435200),
        ("validUntil", "tomorrow"),
        ("nonce", 1),
        ("registrationKey", "HQ481047"),
        ("registrationKey", 12),
    ],
)
def test_a_member_of_the_wrong_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(EnvelopeNotUnderstood, match=name):
        open_envelope(sealed(HEADER, members(**{name: value})), key=KEY)


def test_unknown_members_and_header_parameters_are_ignored() -> None:
    text = sealed({**HEADER, "typ": "JOSE"}, members(firmware={"url": "https://example.com"}))

    assert open_envelope(text, key=KEY) == PAYLOAD


def test_an_envelope_with_an_encrypted_key_is_refused() -> None:
    first, _none, *rest = seal(PAYLOAD, key=KEY, lookup=LOOKUP).split(".")

    with pytest.raises(EnvelopeNotUnderstood):
        open_envelope(".".join((first, "AAAA", *rest)), key=KEY)


def test_a_vector_or_tag_of_another_length_is_refused() -> None:
    first, _none, iv, text, tag = seal(PAYLOAD, key=KEY, lookup=LOOKUP).split(".")

    with pytest.raises(EnvelopeNotUnderstood, match="length"):
        open_envelope(".".join((first, "", iv[:12], text, tag)), key=KEY)
    with pytest.raises(EnvelopeNotUnderstood, match="length"):
        open_envelope(".".join((first, "", iv, text, b64(bytes(12)))), key=KEY)


def test_something_endless_is_not_looked_at() -> None:
    with pytest.raises(EnvelopeNotUnderstood, match="too long"):
        open_envelope(seal(PAYLOAD, key=KEY, lookup=LOOKUP) + "A" * MAX_LENGTH, key=KEY)


def test_moments_are_sealed_in_utc_and_whole_seconds() -> None:
    local = datetime(2026, 11, 23, 13, 0, 0, 999999, tzinfo=timezone(timedelta(hours=1)))
    payload = Payload("1", 1, "K", 1, "http://localhost/update", local)

    assert payload.as_members()["issuedAt"] == "2026-11-23T12:00:00Z"


def test_a_moment_without_a_time_zone_is_not_sealed() -> None:
    payload = Payload("1", 1, "K", 1, "http://localhost/update", datetime(2026, 11, 23))  # noqa: DTZ001

    with pytest.raises(ValueError, match="time zone"):
        seal(payload, key=KEY, lookup=LOOKUP)


def test_no_key_is_in_the_texts_that_end_up_in_logs() -> None:
    renewed = RegistrationKeyText.parse("AB12CD34-EF56GH78")
    payload = Payload("1", 1, "XR3P9W3ET7A4S2S0", 1, "http://localhost/update", PAYLOAD.issued_at, None, None, renewed)

    assert "XR3P9W3ET7A4S2S0" not in repr(payload)
    assert "EF56GH78" not in repr(payload) + repr(renewed) + str(renewed)


def test_the_key_is_derived_as_the_protocol_says() -> None:
    expected = "083aecc55134fb3ac855097616f19413128937fe5df1c392891e6c38e4a2ba33"

    assert derive_key("1JWORF43", "HQ481047").hex() == expected
    assert RegistrationKeyText.parse("HQ481047-1JWORF43").derive().hex() == expected
