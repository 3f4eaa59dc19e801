"""Serial numbers entered beforehand: typed or as CSV. Bad lines are named, and then nothing has changed."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils.translation import override

from devices import forms_admission, pending
from devices.expected import MOST_ROWS, Expected, Lines, enter, read_lines
from devices.models import ExpectedDevice, PendingDevice, RegistrationPolicy
from orgs import tree
from orgs.audit import AuditEntry
from orgs.models import Organization
from tests.conftest import Cast
from tests.factories import DeviceFactory, OrganizationFactory, RegistrationKeyFactory
from tests.parallel import all_at_once

Row = tuple[str, str, str]


def rows(text: str, cast: Cast) -> list[Row]:
    found = read_lines(text, customer=cast.home)
    assert found.problems == []
    return [(row.serial, row.name, row.organization.name if row.organization else "") for row in found.rows]


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("1\n2\n", [("1", "", ""), ("2", "", "")]),
        ("\r\n  1  \r\n\r\n2", [("1", "", ""), ("2", "", "")]),
        ("serial,name,organization\n1,Kitchen,Household", [("1", "Kitchen", "Household")]),
        ("Organization;Serial\nHousehold;1\n;2", [("1", "", "Household"), ("2", "", "")]),
        ("serial\tname\n1\tKitchen", [("1", "Kitchen", "")]),
        ('1,"Kitchen, left",household', [("1", "Kitchen, left", "Household")]),
        ("1,,The Simpsons › Power plant\n2,,power plant", [("1", "", "Power plant"), ("2", "", "Power plant")]),
        ("1,,The Simpsons/Household\n2,,The Simpsons", [("1", "", "Household"), ("2", "", "The Simpsons")]),
        ("1,,,,", [("1", "", "")]),
    ],
)
def test_what_people_enter_is_understood(simpsons: Cast, text: str, understood: list[Row]) -> None:
    assert rows(text, simpsons) == understood


def test_the_heads_of_columns_may_be_what_pages_call_them(simpsons: Cast) -> None:
    assert rows("Serial number;Organization\n1;Household", simpsons) == [("1", "", "Household")]
    with override("de"):
        assert rows("Organisation;Seriennummer\nHousehold;1", simpsons) == [("1", "", "Household")]
        assert rows("serial number\n1", simpsons) == [("1", "", "")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\nkitchen sink\n2", "Line 2: “kitchen sink” is no serial number"),
        ("1\n..", "Line 2: “..” is no serial number"),
        ("serial,name\n1,a\n,b", "Line 3: “” is no serial number"),
        ("1\n2\n1", "Line 3: 1 is in line 1 already."),
        ("1,Kitchen,Garage", "Line 1: there is no organization called “Garage”."),
        ("1,Kitchen,Carl's", "Line 1: there is no organization called “Carl's”."),
        (
            "1,Kitchen,Cellar",
            "Line 1: there are several organizations called “Cellar”. Write the path: “Household › Cellar”",
        ),
        (f"1,{'x' * 101}", "Line 1: the name is longer than 100 letters."),
        ("1,Kitchen,Household,more", "Line 1: there are more columns than serial, name and organization."),
        ("1\0", "Line 1: “1\0” is no serial number"),
        ("x" * 65, f"Line 1: “{'x' * 65}” is no serial number"),
        ("1,,House\0hold", "Line 1: there is no organization called “House\0hold”."),
        ("1,Kit\0chen", "Line 1: there are characters in the name that cannot be printed."),
        ('1,"Kit\x1bchen"', "Line 1: there are characters in the name that cannot be printed."),
        ("1\n" + "x" * 140_000, "Line 2: this is no line of a CSV file."),
    ],
)
def test_a_bad_line_is_named(simpsons: Cast, text: str, problem: str) -> None:
    for parent in (simpsons.household, simpsons.power_plant):
        OrganizationFactory(name="Cellar", parent=parent)
    assert [said[: len(problem)] for said in read_lines(text, customer=simpsons.home).problems] == [problem]


def test_of_several_organizations_with_one_name_the_path_names_one(simpsons: Cast) -> None:
    for parent in (simpsons.household, simpsons.power_plant):
        OrganizationFactory(name="Cellar", parent=parent)
    (row,) = read_lines("1,,Power plant › Cellar", customer=simpsons.home).rows
    assert row.organization is not None
    assert row.organization.parent == simpsons.power_plant


def test_too_many_at_a_time_are_refused(simpsons: Cast) -> None:
    text = "\n".join(str(n) for n in range(MOST_ROWS + 1))
    assert "too many" in read_lines(text, customer=simpsons.home).problems[0]


@pytest.mark.parametrize("line", ["x", "no serial", "x,,,more"])
def test_no_more_are_read_than_can_be_entered_however_bad_they_are(simpsons: Cast, line: str) -> None:
    read = read_lines(f"{line}\n" * (3 * MOST_ROWS), customer=simpsons.home)
    assert read.problems[0] == f"More than {MOST_ROWS} lines at a time are too many."
    assert len(read.problems) + len(read.rows) == MOST_ROWS + 1


def test_thousands_are_stored_in_few_queries(simpsons: Cast, django_assert_max_num_queries) -> None:
    text = "\n".join(str(n) for n in range(MOST_ROWS))
    lines = read_lines(text, customer=simpsons.home)
    with django_assert_max_num_queries(60):
        assert enter(lines.rows, customer=simpsons.home).new == MOST_ROWS
    assert ExpectedDevice.objects.count() == MOST_ROWS


def test_entering_again_replaces_and_leaves_known_devices_alone(simpsons: Cast) -> None:
    enter([Expected("1", "Kitchen"), Expected("2")], customer=simpsons.home)
    DeviceFactory(organization=simpsons.household, serial="3")
    entered = enter(
        [Expected("1", "Bedroom", simpsons.household), Expected("3", "Sauna"), Expected("4")], customer=simpsons.home
    )
    assert (entered.new, entered.changed, entered.known) == (1, 1, 1)
    stored = ExpectedDevice.objects.values_list("serial", "name", "organization__name")
    assert list(stored) == [("1", "Bedroom", "Household"), ("2", "", None), ("4", "", None)]


def test_who_waits_or_was_refused_may_come_when_it_is_expected(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    RegistrationPolicy.of(simpsons.home).change("approved")
    address = f"/midpoint/ws/iot/devices/1?key={key.lookup}"
    assert Client().get(address).status_code == 202
    enter([Expected("1", "Kitchen")], customer=simpsons.home)
    assert not PendingDevice.objects.exists()
    assert Client().get(address).status_code == 200


def test_homer_is_told_that_what_he_enters_had_been_refused(simpsons: Cast, as_homer: Client) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    RegistrationPolicy.of(simpsons.home).change("approved")
    for serial in ("1", "2"):
        assert Client().get(f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}").status_code == 202
    pending.refuse(PendingDevice.objects.get(serial="1"), by=simpsons.homer)
    assert Client().get(f"/midpoint/ws/iot/devices/1?key={key.lookup}").status_code == 409
    answer = as_homer.post(f"/organizations/{simpsons.home.pk}/expected-devices/", {"lines": "1\n2\n3"}, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [
        "3 devices are expected.",
        "1 had been refused, and is let in now when it asks again.",
    ]
    assert Client().get(f"/midpoint/ws/iot/devices/1?key={key.lookup}").status_code == 200


# ---- the page ----


def page(cast: Cast) -> str:
    return f"/organizations/{cast.home.pk}/expected-devices/"


def test_homer_enters_a_list_and_sees_it(simpsons: Cast, as_homer: Client) -> None:
    html = as_homer.post(page(simpsons), {"lines": "1, Kitchen, Household\n2"}, follow=True).content.decode()
    assert "2 devices are expected." in html
    assert "where its key puts it" in html
    assert AuditEntry.objects.get(action="expected_devices.entered").details == {"new": 2, "changed": 0}


def test_a_file_is_taken_as_spreadsheets_write_it(simpsons: Cast, as_homer: Client) -> None:
    file = SimpleUploadedFile("list.csv", "\ufeffserial;name\r\n1;Küche\r\n".encode())
    as_homer.post(page(simpsons), {"file": file})
    assert ExpectedDevice.objects.get().name == "Küche"


def test_a_file_with_a_bad_line_changes_nothing_and_comes_back_to_be_mended(simpsons: Cast, as_homer: Client) -> None:
    file = SimpleUploadedFile("list.csv", b"serial,name\n1,Kitchen\nno serial,Hall\n")
    html = as_homer.post(page(simpsons), {"file": file}).content.decode()
    assert "Line 3: “no serial” is no serial number" in html
    assert "1,Kitchen\nno serial,Hall" in html.replace("\r", "")
    assert not ExpectedDevice.objects.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("serial,name\n1,Küche".encode("latin-1"), "is no text in UTF-8"),
        (b"1" * 500_001, "The file is too large"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(simpsons: Cast, as_homer: Client, content: bytes, said: str) -> None:
    html = as_homer.post(page(simpsons), {"file": SimpleUploadedFile("list.csv", content)}).content.decode()
    assert said in html


def test_an_empty_form_asks_for_something(simpsons: Cast, as_homer: Client) -> None:
    assert "Enter at least one serial number" in as_homer.post(page(simpsons), {"lines": " \n"}).content.decode()


def test_many_mistakes_are_counted_after_the_first_ones(simpsons: Cast, as_homer: Client) -> None:
    html = as_homer.post(page(simpsons), {"lines": "\n".join(f"bad one {n}" for n in range(33))}).content.decode()
    assert "Line 20:" in html
    assert "Line 21:" not in html
    assert "13 more lines have mistakes." in html


def test_serials_are_taken_off_the_list(simpsons: Cast, as_homer: Client) -> None:
    enter([Expected("1"), Expected("2")], customer=simpsons.home)
    enter([Expected("3")], customer=simpsons.carls)
    chosen = ExpectedDevice.objects.filter(serial__in=["1", "3"]).values_list("pk", flat=True)
    html = as_homer.post(f"{page(simpsons)}forget/", {"expected": [*chosen, "x"]}, follow=True).content.decode()
    assert "1 device is no longer expected." in html
    assert set(ExpectedDevice.objects.values_list("serial", flat=True)) == {"2", "3"}
    assert "Choose at least one" in as_homer.post(f"{page(simpsons)}forget/", follow=True).content.decode()


@pytest.mark.parametrize("count", [2, 120])
def test_the_list_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    enter([Expected(str(n), "", simpsons.household) for n in range(count)], customer=simpsons.home)
    with django_assert_num_queries(8):
        as_homer.get(page(simpsons))


def test_what_would_replace_something_on_the_list_is_asked_once(simpsons: Cast, as_homer: Client) -> None:
    enter([Expected("1", "Kitchen", simpsons.household), Expected("2", "Cellar")], customer=simpsons.home)
    answer = as_homer.post(page(simpsons), {"lines": "1, Reactor, Power plant\n2, Cellar\n3"})
    html = answer.content.decode()
    assert "1: so far “Kitchen” in Household; new: “Reactor” in Power plant." in html
    assert "2: " not in html
    assert set(ExpectedDevice.objects.values_list("serial", "name")) == {("1", "Kitchen"), ("2", "Cellar")}
    again = {name: answer.context["form"][name].value() for name in ("lines", "replaces")}
    assert as_homer.post(page(simpsons), again).status_code == 302
    stored = ExpectedDevice.objects.values_list("serial", "name", "organization__name")
    assert list(stored) == [("1", "Reactor", "Power plant"), ("2", "Cellar", None), ("3", "", None)]


def test_an_answer_is_good_for_what_was_asked_alone(simpsons: Cast, as_homer: Client) -> None:
    enter([Expected("1", "Kitchen")], customer=simpsons.home)
    asked = as_homer.post(page(simpsons), {"lines": "1, Sauna"}).context["form"]["replaces"].value()
    enter([Expected("1", "Attic", simpsons.household)], customer=simpsons.home)
    answer = as_homer.post(page(simpsons), {"lines": "1, Sauna", "replaces": asked})
    assert "1: so far “Attic” in Household; new: “Sauna”, where its key puts it." in answer.content.decode()
    assert ExpectedDevice.objects.get().name == "Attic"


def test_a_file_that_would_replace_something_comes_back_as_text_and_is_sent_again(
    simpsons: Cast, as_homer: Client
) -> None:
    enter([Expected("1", "Kitchen")], customer=simpsons.home)
    file = SimpleUploadedFile("list.csv", b"serial,name\n1,Sauna\n")
    answer = as_homer.post(page(simpsons), {"lines": "", "file": file})
    again = {name: answer.context["form"][name].value() for name in ("lines", "replaces")}
    assert as_homer.post(page(simpsons), again).status_code == 302
    assert ExpectedDevice.objects.get().name == "Sauna"


@pytest.mark.django_db(transaction=True)
def test_a_list_is_read_while_others_can_write(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_a_lock: list[bool] = []

    def read(text: str, *, customer: Organization) -> Lines:
        held_a_lock.append(connection.in_atomic_block)
        return read_lines(text, customer=customer)

    monkeypatch.setattr(forms_admission, "read_lines", read)
    as_homer.post(page(simpsons), {"lines": "1, Kitchen"})
    assert held_a_lock == [False]
    assert ExpectedDevice.objects.get().name == "Kitchen"


def test_a_place_that_is_deleted_while_the_list_is_read_is_told_and_nothing_is_entered(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden = tree.create_below(simpsons.home, "Garden")
    lock = tree.lock_tree_of
    monkeypatch.setattr(
        tree, "lock_tree_of", lambda place: (lock(place), Organization.objects.filter(pk=garden.pk).delete())
    )
    file = SimpleUploadedFile("list.csv", b"1\n2,Gnome,Garden\n")
    html = as_homer.post(page(simpsons), {"file": file}).content.decode()
    assert "Somebody else has just changed Garden. Look again." in html
    assert "2,Gnome,Garden\n</textarea>" in html
    assert not ExpectedDevice.objects.exists()
    assert "Line 2: there is no organization called" in as_homer.post(page(simpsons), {"lines": "1\n2,,Garden"}).text


@pytest.mark.django_db(transaction=True)
def test_of_those_who_enter_one_number_at_once_all_but_one_are_asked(simpsons: Cast) -> None:
    def put(n: int) -> int:
        client = Client()
        client.force_login(simpsons.homer)
        return client.post(page(simpsons), {"lines": f"1, Name {n}"}).status_code

    assert sorted(all_at_once(put, 4)) == [200, 200, 200, 302]
