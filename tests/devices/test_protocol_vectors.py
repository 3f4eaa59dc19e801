"""docs/device-protocol.md says what the code does: its test vectors, and what it states in numbers and names."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from devices import envelope, errors
from devices.envelope import (
    CannotOpen,
    EnvelopeError,
    EnvelopeNotUnderstood,
    NonceMismatch,
    Payload,
    WrongRegistrationKey,
    WrongSerial,
    open_envelope,
)
from devices.registration_key_text import ITERATIONS, RegistrationKeyText
from devices.thermometer.delivery import BULK_INTERVAL, BULK_LIMIT
from devices.thermometer.platform import RENEWAL_HINT
from devices.thermometer.state import Credentials, Registration, State
from portal import problems

DOCUMENT = (Path(__file__).parents[2] / "docs" / "device-protocol.md").read_text(encoding="utf-8")
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
VECTORS: dict[str, list[dict[str, Any]]] = next(block for block in BLOCKS if "derivation" in block)
KEYS = {vector["registrationKey"].partition("-")[0]: bytes.fromhex(vector["key"]) for vector in VECTORS["derivation"]}

# What a refusal at each step of section 3 is called in our code.
STEPS: dict[int, tuple[type[EnvelopeError], ...]] = {
    1: (EnvelopeNotUnderstood,),
    2: (EnvelopeNotUnderstood,),
    3: (EnvelopeNotUnderstood, WrongRegistrationKey),
    4: (EnvelopeNotUnderstood,),
    5: (CannotOpen,),
    6: (WrongSerial, NonceMismatch),
    7: (EnvelopeNotUnderstood,),
}


def each(name: str) -> pytest.MarkDecorator:
    """Run the test with every vector of that part."""
    vectors = VECTORS[name]
    return pytest.mark.parametrize("vector", vectors, ids=[vector.get("name", "") for vector in vectors])


@each("derivation")
def test_registration_keys_derive_to_the_stated_envelope_keys(vector: dict[str, Any]) -> None:
    key = RegistrationKeyText.parse(vector["registrationKey"])

    assert key.derive().hex() == vector["key"]
    # The same from the words of the document alone.
    assert vector["salt"] == f"keydist-v1:{key.lookup}"
    derived = hashlib.pbkdf2_hmac("sha256", key.secret.encode(), vector["salt"].encode(), 600_000)
    assert derived.hex() == vector["key"]


@each("envelopes")
def test_the_stated_envelopes_open_to_the_stated_payloads(vector: dict[str, Any]) -> None:
    payload = open_envelope(
        vector["envelope"],
        key=KEYS[vector["kid"]],
        lookup=vector["kid"],
        serial=vector["serial"],
        nonce=vector["nonce"],
    )

    assert payload == Payload.from_members(vector["payload"])
    assert payload.as_members() == vector["payload"] == json.loads(vector["plaintext"])


@each("envelopes")
def test_sealing_with_the_stated_vector_gives_the_stated_envelope(vector: dict[str, Any]) -> None:
    payload = Payload.from_members(vector["payload"])
    iv = bytes.fromhex(vector["iv"])

    sealed = envelope._seal_with_iv(payload, key=KEYS[vector["kid"]], lookup=vector["kid"], iv=iv)

    assert sealed == vector["envelope"]


@each("envelopes")
def test_a_jose_library_opens_the_stated_envelopes(vector: dict[str, Any]) -> None:
    opened = jwe.decrypt_compact(vector["envelope"], OctKey.import_key(KEYS[vector["kid"]]))

    assert opened.headers() == {"alg": "dir", "enc": "A256GCM", "kid": vector["kid"]}
    assert opened.plaintext == vector["plaintext"].encode()


@each("refused")
def test_what_is_stated_to_be_refused_is_refused_for_the_stated_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(STEPS[vector["why"]]):
        open_envelope(
            vector["envelope"].strip(),
            key=KEYS[vector["lookup"]],
            lookup=vector["lookup"],
            serial=vector["serial"],
            nonce=vector["nonce"],
        )


def test_a_jose_library_agrees_about_what_was_tampered_with() -> None:
    tampered = [vector for vector in VECTORS["refused"] if vector["why"] == 5]
    assert len(tampered) == 4
    for vector in tampered:
        with pytest.raises(JoseError):
            jwe.decrypt_compact(vector["envelope"], OctKey.import_key(KEYS[vector["lookup"]]))


def test_the_vectors_cover_every_step_and_every_member() -> None:
    assert {vector["why"] for vector in VECTORS["refused"]} == set(STEPS)
    members = {name for vector in VECTORS["envelopes"] for name in vector["payload"]}
    assert members == set(re.findall(r"^\| `(\w+)` \| (?:text|number|time|`2026)", DOCUMENT, re.MULTILINE))


# Renewal


def registration(lookup: str | None) -> Registration | None:
    return Registration(lookup, KEYS[lookup]) if lookup else None


def credentials(members: dict[str, Any] | None) -> Credentials | None:
    if members is None:
        return None
    until = members.get("validUntil")
    moment = envelope._read_moment({"validUntil": until}, "validUntil") if until else None
    return Credentials(members["channel"], members["writeKey"], 1, "https://portal.example.com/update", moment)


def described(kept: Credentials | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    members = {"channel": kept.channel, "writeKey": kept.write_key}
    return members | ({"validUntil": envelope._write_moment(kept.valid_until)} if kept.valid_until else {})


@each("renewals")
def test_an_envelope_changes_what_a_device_keeps_as_stated(vector: dict[str, Any]) -> None:
    before, after = vector["before"], vector["after"]
    current, asked_with = registration(before["lookup"]), registration(vector["askedWith"])
    assert current is not None
    assert asked_with is not None
    state = State(
        serial=vector["payload"]["serial"],
        portal="https://portal.example.com",
        registration=current,
        period=15.0,
        place="",
        credentials=credentials(before["credentials"]),
        previous=credentials(before["previous"]),
        previous_registration=registration(before["previousLookup"]),
        etag='"before"',
    )

    changed = state.after_envelope(Payload.from_members(vector["payload"]), asked_with=asked_with, etag=vector["etag"])

    assert described(changed.credentials) == after["credentials"]
    assert described(changed.previous) == after["previous"]
    assert changed.registration == registration(after["lookup"])
    assert changed.previous_registration == registration(after["previousLookup"])
    assert changed.etag == after["etag"]


# What else the document states


def test_the_document_names_every_refusal_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `(\d{3})` \| `(\w+)` \|", DOCUMENT, re.MULTILINE))

    for refusal, status in problems.STATUS.items():
        assert rows[str(status)] == refusal.code
    assert set(problems.STATUS) == set(errors.DeviceRefusal.__subclasses__())


def test_the_document_names_the_numbers_that_the_code_has() -> None:
    assert f"iterations = {ITERATIONS})" in DOCUMENT
    assert f"more than {envelope.MAX_LENGTH} characters" in DOCUMENT
    assert f"`{RENEWAL_HINT}: pending`" in DOCUMENT
    assert f"at most every {BULK_INTERVAL:g} s, at most {BULK_LIMIT} measurements" in DOCUMENT
