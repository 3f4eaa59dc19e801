"""The Simpsons of the fixture, as the demo and the browser tests load them."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from channels.platform.models import Channel
from devices.errors import KeyNotGood
from devices.models import Device, RegistrationKey
from orgs import access
from orgs.models import Invitation, Organization, User
from portal import demo
from portal.models import OutboxMessage
from tests.background import do_background_work

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(settings: LazySettings) -> demo.Cast:
    settings.DEBUG = True
    return demo.Cast.read()


@pytest.fixture
def loaded(cast: demo.Cast) -> demo.Cast:
    demo.load(cast)
    demo.switch_on(demo.hang(cast, 5))
    return cast


def user(name: str) -> User:
    return User.objects.get(email=f"{name}@example.com")


def everything() -> dict[str, list[dict[str, object]]]:
    """Every row of every table of ours."""
    ours = ("orgs", "channels", "platform", "devices", "portal")
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for label in ours
        for model in apps.get_app_config(label).get_models()
    }


@pytest.mark.parametrize(
    ("name", "sees", "manages"),
    [
        (
            "homer",
            {"Kitchen", "Living room", "Cellar", "Reactor", "Cooling tower"},
            {"The Simpsons", "Household", "Power plant"},
        ),
        ("marge", {"Kitchen", "Living room", "Cellar"}, set()),
        ("lenny", {"Reactor", "Cooling tower"}, set()),
        ("carl", set(), {"Carl's home"}),
        ("operator", set(), set()),
    ],
)
def test_each_sees_and_manages_what_is_theirs(name: str, sees: set[str], manages: set[str], loaded: demo.Cast) -> None:
    assert {str(device) for device in Device.objects.visible_to(user(name))} == sees
    assert {str(one) for one in access.managed_organizations(user(name))} == manages


def test_everybody_logs_in_with_the_password_of_the_fixture(loaded: demo.Cast) -> None:
    for name in ("homer", "marge", "lenny", "carl", "operator"):
        assert user(name).check_password(loaded.password)
        assert EmailAddress.objects.get(user=user(name)).verified


def test_the_operator_may_use_the_administration(loaded: demo.Cast) -> None:
    client = Client()
    client.force_login(user("operator"))
    assert client.get(reverse("admin:index")).status_code == 200


def test_the_registration_key_is_the_one_of_the_story(loaded: demo.Cast) -> None:
    keys = RegistrationKey.objects.filter(customer__name="The Simpsons")
    assert [key.text for key in keys] == ["HQ481047-1JWORF43"]
    assert keys[0].envelope_key == loaded.customers[0].registration_key.derive()


def test_another_customer_has_a_key_that_nobody_knows(loaded: demo.Cast) -> None:
    key = RegistrationKey.objects.get(customer__name="Carl's home")
    assert key.text not in demo.FIXTURE.read_text()


def test_bart_is_invited_and_has_no_account_yet(loaded: demo.Cast) -> None:
    assert Invitation.objects.open().get().email == "bart@example.com"
    assert not User.objects.filter(email="bart@example.com").exists()


def test_every_thermometer_has_a_channel(loaded: demo.Cast) -> None:
    assert Device.objects.filter(channel__isnull=False).count() == 5


def test_loading_again_changes_nothing(loaded: demo.Cast) -> None:
    before = everything()
    demo.load(loaded)
    demo.switch_on(demo.hang(loaded, 5))
    assert everything() == before


def test_what_somebody_changed_survives_loading(loaded: demo.Cast) -> None:
    household = Organization.objects.get(name="Household")
    Organization.objects.filter(pk=household.pk).update(name="Evergreen Terrace")
    kitchen = Device.objects.get(name="Kitchen")
    kitchen.move(Organization.objects.get(name="Power plant"))
    before = everything()
    demo.load(loaded)
    demo.switch_on(demo.hang(loaded, 5))
    assert everything() == before


def test_the_graph_of_a_thermometer_has_its_name(loaded: demo.Cast) -> None:
    do_background_work()
    assert Channel.objects.get(number=Device.objects.get(name="Reactor").channel.number).name == "Reactor"


def test_more_thermometers_than_the_fixture_has_are_made_up(cast: demo.Cast) -> None:
    hung = demo.hang(cast, 7)
    assert len({one.thermometer.serial for one in hung}) == 7
    assert [one.thermometer.name for one in hung[5:]] == ["Thermometer 6", "Thermometer 7"]
    assert [one.place for one in hung[5:]] == [None, None]


def test_fewer_thermometers_are_the_first_ones(cast: demo.Cast) -> None:
    assert [one.thermometer.name for one in demo.hang(cast, 2)] == ["Kitchen", "Living room"]


def test_a_thermometer_without_a_good_key_is_said_to_have_none(cast: demo.Cast) -> None:
    demo.load(cast)
    RegistrationKey.objects.get(lookup="HQ481047").revoke()
    with pytest.raises(KeyNotGood):
        demo.switch_on(demo.hang(cast, 1))
    with pytest.raises(CommandError):
        call_command("simpsons")


def test_nothing_is_loaded_where_debug_is_off(settings: LazySettings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG is off"):
        call_command("simpsons")
    assert not User.objects.exists()
    assert not OutboxMessage.objects.exists()
