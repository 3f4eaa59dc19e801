"""What was noticed about channels and keys, for the managers whom it concerns, with what they can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from channels.findings import FindingQuerySet
from channels.models import Finding
from devices.models import Device
from orgs import access
from orgs.models import Organization, User

Kind = Finding.Kind
SERIOUS = {Kind.CHANNEL_MISSING: "bad", Kind.KEY_KNOWN: "bad", Kind.NO_READ_KEY: "bad"}


def findings_managed_by(user: User) -> FindingQuerySet:
    """Return what concerns a device that `user` manages, and all of an account whose customer they manage."""
    managed = access.managed_organizations(user)
    return Finding.objects.filter(Q(account__organization__in=managed) | Q(channel__device__organization__in=managed))


def findings_at(organization: Organization) -> FindingQuerySet:
    """Return what concerns the devices in `organization` and below it; for a customer, all of its account."""
    below = Organization.objects.get_queryset().at_or_below(organization)
    return Finding.objects.filter(Q(account__organization=organization) | Q(channel__device__organization__in=below))


@dataclass(frozen=True)
class Offer:
    """A step that a manager can take: a page with a question, or a button (`is_post`)."""

    url: str
    label: str | Promise
    icon: str
    is_post: bool = False
    is_elsewhere: bool = False


@dataclass(frozen=True)
class Noticed:
    """A finding as its page shows it."""

    finding: Finding
    device: Device | None
    offers: list[Offer]

    @property
    def sign(self) -> str:
        """The kind of state, as `_state.html` has them."""
        return "off" if self.finding.settled_at else SERIOUS.get(Kind(self.finding.kind), "warn")

    @property
    def page(self) -> str:
        """Where it is listed: on the page of the device's organization, or else of the customer."""
        place = self.device.organization_id if self.device else self.finding.account.organization_id
        return reverse("findings", args=[place])


def noticed(finding: Finding) -> Noticed:
    """Return the finding with its offers; it comes with `channel__device` and `account__organization` selected."""
    device = getattr(finding.channel, "device", None)
    return Noticed(finding, device, [] if finding.settled_at else list(_offers(finding, device)))


def _offers(finding: Finding, device: Device | None) -> Iterator[Offer]:
    place = device.organization_id if device else finding.account.organization_id
    look_again = Offer(
        reverse("findings_look", args=[place]), _("It is done: look again"), "arrow-clockwise", is_post=True
    )
    leave_alone = Offer(reverse("finding_dismiss", args=[finding.pk]), _("Leave it alone"), "check-lg", is_post=True)
    new_channel = reverse("device_new_channel", args=[device.pk]) if device else ""
    match finding.kind:
        case Kind.CHANNEL_MISSING if device:
            yield Offer(new_channel, _("Give the device a new channel"), "plus-circle")
        case Kind.FOREIGN_CHANNEL:
            yield Offer(reverse("finding_delete_channel", args=[finding.pk]), _("Delete it there …"), "trash3")
            yield leave_alone
        case Kind.KEY_KNOWN | Kind.NO_READ_KEY:
            if finding.account.platform == "thingspeak":
                yield Offer(
                    _keys_page(finding.number),
                    _("The channel's keys on ThingSpeak"),
                    "box-arrow-up-right",
                    is_elsewhere=True,
                )
            yield look_again
        case Kind.CLONED:
            if finding.account.on_platform.can_rotate_write_keys:
                url = reverse("finding_renew_key", args=[finding.pk])
                yield Offer(url, _("Renew the write key"), "arrow-repeat", is_post=True)
            elif device:
                yield Offer(new_channel, _("Move it to a new channel"), "arrow-repeat")
            yield leave_alone


def _keys_page(number: int) -> str:
    site = str(settings.THINGSPEAK_URL).replace("://api.thingspeak.com", "://thingspeak.com")
    return f"{site}/channels/{number}/api_keys"
