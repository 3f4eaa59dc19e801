"""The history is told in the language of whoever reads it, whatever whoever acted speaks."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import gettext, override

from channels.models import Finding
from devices.models import RegistrationPolicy
from orgs import invitations
from orgs.audit import record
from tests.conftest import Cast
from tests.devices.test_history_page import of, told
from tests.orgs.operating import act, change


def told_in_german(client: Client, address: str) -> list[str]:
    client.post("/language/", {"language": "de"})
    return told(client, address)


IN_ENGLISH = "by list: those whose serial number was entered beforehand"
IN_GERMAN = "nach Liste: die, deren Seriennummer vorher eingetragen wurde"


def test_what_a_manager_chose_is_told_in_the_language_of_whoever_reads_it(simpsons: Cast, as_homer: Client) -> None:
    as_homer.post(f"/organizations/{simpsons.home.pk}/registration-policy/", {"admits": "expected"})
    (sentence,) = told(as_homer, of(simpsons.home))
    assert sentence == f"Who may register was changed: {IN_ENGLISH}."
    (sentence,) = told_in_german(as_homer, of(simpsons.home))
    assert IN_GERMAN in sentence


@pytest.mark.parametrize("kept", [IN_ENGLISH, IN_GERMAN])
def test_entries_from_when_the_words_were_kept_are_told_so_too(simpsons: Cast, as_homer: Client, kept: str) -> None:
    about = RegistrationPolicy.of(simpsons.home)
    record("registration_policy.changed", by=simpsons.homer, organization=simpsons.home, about=about, to=kept)
    assert told(as_homer, of(simpsons.home)) == [f"Who may register was changed: {IN_ENGLISH}."]
    (sentence,) = told_in_german(as_homer, of(simpsons.home))
    assert IN_GERMAN in sentence


def test_what_a_thing_was_called_in_one_language_is_told_in_the_other(simpsons: Cast, as_homer: Client) -> None:
    place = simpsons.marge.memberships.get()
    finding = Finding(kind=Finding.Kind.CLONED, number=4711)
    for language in ("de", "en"):
        with override(language):
            record("membership.ended", by=None, organization=simpsons.home, about=place)
            record("finding.dismissed", by=None, organization=simpsons.home, about=finding)
    english = told(as_homer, of(simpsons.home))
    assert english[:2] == english[2:]
    assert any(str(place) in sentence for sentence in english)
    german = told_in_german(as_homer, of(simpsons.home))
    assert german[:2] == german[2:]
    with override("de"):
        assert any(str(place) in sentence for sentence in german)
        assert any(str(finding) in sentence for sentence in german)


@pytest.mark.parametrize("operators", ["en", "de"])
def test_which_fields_an_operator_changed_is_told_in_the_language_of_whoever_reads_it(
    simpsons: Cast, as_homer: Client, as_operator: Client, operators: str
) -> None:
    as_operator.post("/language/", {"language": operators})
    change(as_operator, simpsons.household, name="Evergreen Terrace", description="742")
    (sentence,) = told(as_homer, of(simpsons.home))
    assert sentence.endswith(": Name, Description")
    (sentence,) = told_in_german(as_homer, of(simpsons.home))
    assert sentence.endswith(": Name, Beschreibung")


@pytest.mark.parametrize("kept", ["Description, last name?", "Beschreibung, last name?"])
def test_a_field_that_nobody_knows_any_more_is_told_as_it_was_kept(simpsons: Cast, as_homer: Client, kept: str) -> None:
    record("operator.changed", by=None, organization=simpsons.home, about=simpsons.household, what=kept)
    (sentence,) = told_in_german(as_homer, of(simpsons.home))
    assert sentence.endswith(": Beschreibung, last name?")


def test_a_password_that_an_operator_set_is_told_by_the_name_of_the_field(simpsons: Cast, as_homer: Client) -> None:
    record("operator.changed", by=None, organization=simpsons.home, about=simpsons.marge, what="password")
    (sentence,) = told_in_german(as_homer, of(simpsons.home))
    assert sentence.endswith(": Passwort")


def test_what_an_operator_did_in_english_is_told_in_german(
    simpsons: Cast, as_homer: Client, as_operator: Client
) -> None:
    act(as_operator, "organization", "suspend", simpsons.home, confirmed="yes")
    act(as_operator, "organization", "resume", simpsons.home)
    assert told(as_homer, of(simpsons.home))[0].endswith(": Resumed.")
    with override("de"):
        resumed = gettext("Resumed.")
    assert resumed != "Resumed."
    assert told_in_german(as_homer, of(simpsons.home))[0].endswith(f": {resumed}")


@pytest.mark.parametrize("operators", ["en", "de"])
def test_what_was_done_to_an_invitation_or_a_person_is_told_in_the_language_of_whoever_reads_it(
    simpsons: Cast, as_homer: Client, as_operator: Client, operators: str
) -> None:
    invitation = invitations.invite(organization=simpsons.home, email="ned@example.net", by=simpsons.homer)
    as_operator.post("/language/", {"language": operators})
    act(as_operator, "invitation", "resend", invitation)
    act(as_operator, "invitation", "withdraw", invitation)
    in_english = [sentence.rpartition(": ")[2] for sentence in told(as_homer, of(simpsons.home))]
    assert in_english[:2] == ["Withdrawn.", "A new link was sent; the old one has ended."]
    in_german = [sentence.rpartition(": ")[2] for sentence in told_in_german(as_homer, of(simpsons.home))]
    assert in_german[:2] == ["Zurückgezogen.", "Ein neuer Link wurde gesendet; der alte gilt nicht mehr."]


def test_operators_read_on_their_pages_what_they_changed_in_their_language(simpsons: Cast, as_operator: Client) -> None:
    change(as_operator, simpsons.household, description="742")
    as_operator.post("/language/", {"language": "de"})
    ((_entry, sentence), *_others) = as_operator.get(reverse("admin:index")).context["done_last"]
    assert sentence.endswith(" Organisation Household geändert: Beschreibung")
    assert sentence in as_operator.get(reverse("admin:orgs_auditentry_changelist")).content.decode()
