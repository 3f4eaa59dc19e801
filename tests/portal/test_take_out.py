"""All data of a person in one file: what is in it, who gets it, and what happens when something fails."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote
from zipfile import ZipFile

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from channels import program_keys
from channels.embedded import Embedded
from channels.models import ChannelKey
from channels.platforms import OutOfReach
from devices.models import RegistrationKey
from orgs.models import AuditEntry, Membership, User
from portal import take_outs
from portal.closing import close_account
from portal.take_out_file import advance
from portal.take_outs import TakeOut
from portal.tasks import prepare_stuck_take_out, prepare_take_out
from tests.background import do_background_work
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.factories import NOON, PASSWORD, DeviceFactory, RegistrationKeyFactory
from tests.portal.conftest import long_after_the_log_in

PAGE = "/account/data/"


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.TAKE_OUT_FOLDER = tmp_path / "take-outs"
    return tmp_path / "take-outs"


def make(user: User) -> TakeOut:
    take_out = take_outs.ask_for(user)
    while advance(take_out):
        pass
    return take_out


def contents(take_out: TakeOut) -> dict[str, str]:
    with ZipFile(take_out.path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def read(take_out: TakeOut, name: str) -> list[dict[str, object]]:
    found = json.loads(contents(take_out)[name])
    assert isinstance(found, list)
    return found


def test_homer_takes_out_tree_people_devices_keys_and_measurements(simpsons: Cast) -> None:
    measure(simpsons.kitchen, "20.5", NOON)
    key = RegistrationKeyFactory(organization=simpsons.household, label="For the house")
    take_out = make(simpsons.homer)
    assert [one["name"] for one in read(take_out, "organizations.json")] == ["The Simpsons", "Household", "Power plant"]
    assert {one["email"] for one in read(take_out, "people.json")} == {
        "homer@example.net", "marge@example.net", "lenny@example.net",
    }  # fmt: skip
    assert [one["serial"] for one in read(take_out, "devices.json")] == [
        simpsons.kitchen.serial, simpsons.reactor.serial,
    ]  # fmt: skip
    assert [one["lookup"] for one in read(take_out, "registration-keys.json")] == [key.lookup]
    feed = contents(take_out)[f"feeds/{simpsons.kitchen.channel.number}-kitchen.csv"]
    assert [line.split(",")[2] for line in feed.splitlines()[1:]] == ["20.5"]
    assert "Nothing is missing." in contents(take_out)["README.txt"]


def test_marge_takes_out_what_is_hers_and_nothing_of_others(simpsons: Cast) -> None:
    found = contents(make(simpsons.marge))
    assert set(found) == {
        "profile.json", "places.json", "shown.json", "activity.json", "devices.json", "README.txt",
    }  # fmt: skip
    assert json.loads(found["profile.json"])["email"] == "marge@example.net"
    everything = "".join(found.values())
    for foreign in ("homer@", "lenny@", "Power plant", "reactor", "Carl"):
        assert foreign not in everything


def test_a_member_learns_no_serial_number_but_of_a_device_without_a_name(simpsons: Cast) -> None:
    nameless = DeviceFactory(organization=simpsons.household)
    found = {one["name"]: one["serial"] for one in read(make(simpsons.marge), "devices.json")}
    assert found == {"kitchen": None, "": nameless.serial}


def test_no_key_is_in_it(simpsons: Cast, as_homer: Client) -> None:
    RegistrationKeyFactory(organization=simpsons.household)
    as_homer.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    program_keys.add(simpsons.kitchen.channel, note="Shed", by=simpsons.homer)
    everything = "".join(contents(make(simpsons.homer)).values())
    secrets = [key.value for key in ChannelKey.objects.all()]
    secrets += [secret for key in RegistrationKey.objects.all() for secret in (key.secret, key.envelope_key_base64)]
    secrets.append(simpsons.kitchen.channel.account.key)
    assert len(secrets) > 8
    assert not [secret for secret in secrets if secret in everything]


def test_what_the_platform_does_not_give_is_named(simpsons: Cast) -> None:
    kitchen = f"feeds/{simpsons.kitchen.channel.number}-kitchen.csv"
    reactor = f"feeds/{simpsons.reactor.channel.number}-reactor.csv"
    with patch.object(Embedded, "export_csv", side_effect=OutOfReach) as asked:
        take_out = make(simpsons.homer)
    found = contents(take_out)
    assert kitchen not in found
    assert f"- {kitchen}: The channel platform is out of reach." in found["README.txt"]
    assert f"- {reactor}: " in found["README.txt"]
    assert asked.call_count == 1, "an account that is out of reach is not asked again for each device"


def test_a_history_that_breaks_off_is_named(simpsons: Cast) -> None:
    def broken(*_args: object, **_kwargs: object) -> Iterator[str]:
        yield "created_at,entry_id,field1\n"
        raise OutOfReach

    with patch.object(Embedded, "export_csv", broken):
        take_out = make(simpsons.homer)
    assert f"{simpsons.kitchen.channel.number}-kitchen.csv" in contents(take_out)["README.txt"]


def test_many_devices_are_taken_in_steps_and_each_is_in_once(simpsons: Cast) -> None:
    for number in range(4):
        DeviceFactory(organization=simpsons.household, name=f"room {number}")
    take_out = take_outs.ask_for(simpsons.homer)
    steps = 1
    while advance(take_out, seconds=0):
        steps += 1
        take_out = TakeOut.objects.get()  # As the next step finds it.
    assert steps == 7, "one a device, and one to find that there are no more"
    with ZipFile(take_out.path) as archive:
        feeds = [name for name in archive.namelist() if name.startswith("feeds/")]
    assert len(feeds) == len(set(feeds)) == 6
    assert (take_out.devices_done, take_out.devices_total) == (6, 6)


def confirm(client: Client) -> None:
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


@pytest.fixture
def ask(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Callable[[Client], TakeOut]:
    """Ask for the file by the page, and let the worker do its work."""

    def asked(client: Client) -> TakeOut:
        confirm(client)
        with django_capture_on_commit_callbacks(execute=True):
            assert client.post(PAGE)["Location"] == PAGE
        do_background_work()
        return TakeOut.objects.latest("pk")

    return asked


Ask = Callable[[Client], TakeOut]


def test_homer_asks_is_written_to_and_fetches_the_file(as_homer: Client, ask: Ask, simpsons: Cast) -> None:
    take_out = ask(as_homer)
    (message,) = mail.outbox
    assert message.to == ["homer@example.net"]
    assert PAGE in message.body
    assert f"/account/data/{take_out.pk}/" in as_homer.get(PAGE).content.decode()
    answer = as_homer.get(f"/account/data/{take_out.pk}/")
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"].startswith('attachment; filename="smart-widgets-')
    with ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:  # type: ignore[attr-defined]
        assert "people.json" in archive.namelist()
    done = AuditEntry.objects.filter(action__startswith="take_out.").order_by("pk")
    assert [entry.action for entry in done] == ["take_out.asked_for", "take_out.fetched"]


def test_the_password_is_asked_for_before_it_is_made_and_before_it_is_fetched(
    as_homer: Client, ask: Ask, simpsons: Cast
) -> None:
    with long_after_the_log_in():
        assert as_homer.post(PAGE)["Location"].startswith(reverse("account_reauthenticate"))
    assert not TakeOut.objects.exists()
    take_out = ask(as_homer)
    address = f"/account/data/{take_out.pk}/"
    with long_after_the_log_in():
        question = as_homer.get(address)["Location"]
    assert question == f"{reverse('account_reauthenticate')}?next={quote(address, safe='')}"


def test_nobody_else_fetches_it(as_homer: Client, ask: Ask, simpsons: Cast) -> None:
    address = f"/account/data/{ask(as_homer).pk}/"
    for who in (simpsons.marge, simpsons.carl):
        other = Client()
        other.force_login(who)
        confirm(other)
        assert other.get(address).status_code == 404
    assert Client().get(address).status_code == 302


def test_it_lies_where_only_the_portal_reads(as_homer: Client, ask: Ask, folder: Path) -> None:
    take_out = ask(as_homer)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(take_out.path.stat().st_mode) == 0o600


def test_it_is_gone_after_a_day(as_homer: Client, ask: Ask, folder: Path) -> None:
    take_out = ask(as_homer)
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)):
        confirm(as_homer)
        assert as_homer.get(f"/account/data/{take_out.pk}/").status_code == 404
        do_background_work()
        assert list(folder.iterdir()) == []
        assert "Make the file" in as_homer.get(PAGE).content.decode()


def test_who_manages_less_than_then_does_not_get_the_old_file(as_homer: Client, ask: Ask, simpsons: Cast) -> None:
    take_out = ask(as_homer)
    Membership.objects.filter(user=simpsons.homer).delete()
    page = as_homer.get(f"/account/data/{take_out.pk}/", follow=True).content.decode()
    assert "You do not manage all of that any more." in page


def test_two_clicks_make_one_file(simpsons: Cast) -> None:
    assert take_outs.ask_for(simpsons.homer) == take_outs.ask_for(simpsons.homer)


def test_a_step_that_died_is_begun_anew_and_not_for_ever(simpsons: Cast) -> None:
    take_out = take_outs.ask_for(simpsons.homer)
    take_out.path.write_bytes(b"PK half a file")
    prepare_stuck_take_out.call(take_out.pk)
    assert TakeOut.objects.get().file == take_out.file, "it may still be at work"
    begun = timezone.now()
    for minutes, state in ((20, "preparing"), (40, "preparing"), (60, "failed")):
        with time_machine.travel(begun + timedelta(minutes=minutes), tick=False):
            assert prepare_stuck_take_out.call(take_out.pk) == state
    assert not take_out.path.exists()


def test_what_is_begun_anew_is_not_undone_by_whoever_was_slow(simpsons: Cast) -> None:
    slow = take_outs.ask_for(simpsons.homer)
    TakeOut.objects.get().begin_anew()
    advance(slow)
    assert TakeOut.objects.get().devices_done == 0
    assert not slow.path.exists()
    assert not slow.hand_over()
    assert TakeOut.objects.get().state == TakeOut.State.PREPARING


def test_a_file_whose_person_has_gone_meanwhile_is_left_nowhere(
    simpsons: Cast, folder: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    at_work = take_outs.ask_for(simpsons.marge)
    advance(at_work)
    with django_capture_on_commit_callbacks(execute=True):
        close_account(simpsons.marge, with_customers={})
    advance(at_work)
    assert not at_work.hand_over()
    assert list(folder.iterdir()) == []
    assert prepare_take_out.call(at_work.pk) == "gone"


def test_a_new_file_takes_the_place_of_the_old_one(as_homer: Client, ask: Ask, folder: Path) -> None:
    old = ask(as_homer)
    new = ask(as_homer)
    assert [file.name for file in folder.iterdir()] == [new.file]
    assert as_homer.get(f"/account/data/{old.pk}/").status_code == 404


def test_the_page_says_how_far_it_is_and_refreshes_itself(as_homer: Client, simpsons: Cast) -> None:
    take_out = take_outs.ask_for(simpsons.homer)
    advance(take_out, seconds=0)
    page = as_homer.get(PAGE).content.decode()
    assert "1 of 2 devices are in it" in page
    assert 'hx-trigger="every 3s"' in page
    part = as_homer.get(PAGE, HTTP_HX_REQUEST="true").content.decode()
    assert part.lstrip().startswith('<div id="take-out-state"')
