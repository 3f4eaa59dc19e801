"""What is going on with the keys of an organization and of all below it, and what comes next, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from channels.models import ChannelKey, Renewal, RenewalPolicy
from channels.renewal_models import RenewalState
from devices.models import Device, RegistrationKey, RollOver
from devices.registration_key_story import good_until
from devices.renewal_all import channels_of, standing_of
from devices.renewal_due import read_key_due_at, registration_key_due_at, write_key_due_at
from devices.renewal_policies import Policies
from devices.write_key_story import has_moved, story_of_move
from orgs.models import Organization
from orgs.paths import Paths


@dataclass(frozen=True)
class Event:
    """Something that goes on, or is to come: `kind` and `label` as in `_state.html`; `at` what, `when` in words."""

    at: datetime
    kind: str
    label: str | Promise
    what: str
    sentence: str
    url: str
    is_now: bool = False


@dataclass(frozen=True)
class Outlook:
    """All events of an organization, those that go on first, and how many keys there are."""

    events: list[Event]
    devices: int
    by_hand: int
    """Devices on platforms whose write keys cannot be renewed from here."""
    next_write_key_at: datetime | None


def outlook(organization: Organization, policies: Policies, paths: Paths, now: datetime) -> Outlook:
    """Return what goes on and what comes next at and below `organization`; six queries. `paths` are the reader's."""
    keys = list(_write_keys(organization))
    running = list(_running_renewals(organization))
    under_way = {renewal.channel_id for renewal in running}
    moves = list(_moves(organization))
    under_way |= {move.device.channel_id for move in moves if move.device.channel_id}
    events = [*_running(running, now), *map(_moving, moves), *_registration_keys(organization, policies, now)]
    due: list[datetime] = []
    by_hand = 0
    for key in keys:
        device = key.channel.device
        can_rotate = key.channel.account.on_platform.can_rotate_write_keys
        by_hand += not can_rotate
        if key.channel_id in under_way:
            continue
        event = _next_of(key, device, policies, now, can_rotate=can_rotate)
        if event is not None:
            events.append(event)
            if can_rotate and policies.pause_at(device.organization) is None:
                due.append(event.at)
    events.extend(_read_keys(organization, policies, paths))
    events.extend(_mails(keys, policies, paths, now))
    events.sort(key=lambda event: (not event.is_now, event.at))
    return Outlook(events, len(keys), by_hand, min(due, default=None))


def _write_keys(organization: Organization) -> Iterable[ChannelKey]:
    keys = ChannelKey.objects.current().writing().filter(channel__in=channels_of(organization))
    return keys.select_related("channel__device__organization", "channel__account").defer(
        "value", "channel__account__key"
    )


def _running_renewals(organization: Organization) -> Iterable[Renewal]:
    running = Renewal.objects.open().filter(channel__in=channels_of(organization))
    running = running.select_related("channel__device", "new_key").defer("new_key__value")
    return running.order_by("deadline", "pk")


def _running(running: Iterable[Renewal], now: datetime) -> Iterator[Event]:
    for renewal in running:
        device = renewal.channel.device
        url = reverse("device_keys", args=[device.pk])
        standing = standing_of(renewal)
        if renewal.state == RenewalState.OVERLAP and renewal.new_key and has_moved(renewal.new_key):
            said = _("It uses the new key. The old one ends within minutes.")
            yield Event(renewal.deadline or now, "good", gettext_lazy("Renewed"), str(device), said, url, is_now=True)
        else:
            at = renewal.deadline or renewal.started_at
            yield Event(at, standing.kind, standing.label, str(device), standing.sentence, url, is_now=True)


def _moves(organization: Organization) -> Iterable[RollOver]:
    moves = RollOver.objects.open().filter(device__in=Device.objects.at_or_below(organization))
    return moves.select_related("device").order_by("started_at", "pk")


def _moving(move: RollOver) -> Event:
    story = story_of_move(move.device, move)
    url = reverse("device_keys", args=[move.device_id])
    at = move.deadline or move.started_at
    return Event(at, story.kind, story.label, str(move.device), " ".join(story.sentences), url, is_now=True)


def _next_of(key: ChannelKey, device: Device, policies: Policies, now: datetime, *, can_rotate: bool) -> Event | None:
    policy = policies.at(device.organization)
    due = write_key_due_at(policy, key) if policy else None
    if due is None:
        return None
    url = reverse("device_keys", args=[device.pk])
    if not can_rotate and policy and policy.instead == RenewalPolicy.Instead.REPLACE:
        said = _("It moves to a new channel with a new write key by itself.")
        return Event(due, "wait" if due <= now else "off", gettext_lazy("To come"), str(device), said, url)
    if not can_rotate:
        said = _("Its write key is to be renewed by hand on its platform.")
        label = gettext_lazy("Due") if due <= now else gettext_lazy("By hand")
        return Event(due, "warn" if due <= now else "off", label, str(device), said, url)
    if policies.pause_at(device.organization):
        said = _("Its write key would be renewed, but renewals are paused.")
        return Event(due, "warn" if due <= now else "off", gettext_lazy("Paused"), str(device), said, url)
    if due <= now:
        said = _("Its write key is due and is renewed by itself, outside of the policy's quiet hours.")
        return Event(due, "wait", gettext_lazy("Due"), str(device), said, url)
    return Event(due, "off", gettext_lazy("To come"), str(device), _("Its write key is renewed by itself."), url)


def _registration_keys(organization: Organization, policies: Policies, now: datetime) -> Iterator[Event]:
    below = Organization.objects.get_queryset().at_or_below(organization)
    keys = RegistrationKey.objects.good(now).filter(organization__in=below)
    for key in keys.select_related("organization").defer("secret", "envelope_key_base64").order_by("pk"):
        what = _("Registration key {key}").format(key=key)
        if key.successor_id is not None:
            said = _("Devices move to the new one. This one is good until {until}.").format(until=good_until(key))
            at = key.expires_at or key.renewed_at or now
            yield Event(at, "wait", gettext_lazy("Being replaced"), what, said, key.get_absolute_url(), is_now=True)
            continue
        policy = policies.at(key.organization)
        due = registration_key_due_at(policy, key) if policy else None
        if due is not None:
            paused = policies.pause_at(key.organization) is not None
            label = gettext_lazy("Paused") if paused else gettext_lazy("To come")
            said = _("It would be renewed, but renewals are paused.") if paused else _("It is renewed by itself.")
            yield Event(due, "off", label, what, said, key.get_absolute_url())
        if key.expires_at is not None:
            said = _("It lets no device in after that.")
            yield Event(key.expires_at, "off", gettext_lazy("Expires"), what, said, key.get_absolute_url())


def _read_keys(organization: Organization, policies: Policies, paths: Paths) -> Iterator[Event]:
    """One event for each organization in which people's read keys are renewed, at the first moment of them."""
    keys = ChannelKey.objects.current().reading().filter(channel__in=channels_of(organization), holder__isnull=False)
    keys = keys.select_related("channel__device__organization").only(
        "valid_from", "channel__device__organization", "origin", "kind"
    )
    first: dict[int, tuple[datetime, int, Organization]] = {}
    for key in keys.order_by("pk"):
        there = key.channel.device.organization
        policy = policies.at(there)
        due = read_key_due_at(policy, key) if policy and not policies.pause_at(there) else None
        if due is not None:
            earliest, count, _there = first.get(there.pk, (due, 0, there))
            first[there.pk] = (min(earliest, due), count + 1, there)
    for at, count, there in first.values():
        said = ngettext(
            "{count} read key of people is renewed from then on; they are told by mail.",
            "{count} read keys of people are renewed from then on; they are told by mail.",
            count,
        ).format(count=count)
        yield Event(at, "off", gettext_lazy("To come"), paths.to(there), said, there.get_absolute_url())


def _mails(keys: Iterable[ChannelKey], policies: Policies, paths: Paths, now: datetime) -> Iterator[Event]:
    """The next mail to managers under each policy, before the first renewal of those not told of yet."""
    first: dict[int, tuple[datetime, RenewalPolicy]] = {}
    for key in keys:
        there = key.channel.device.organization
        policy = policies.at(there)
        if policy is None or policy.remind_before is None or key.announced_at or policies.pause_at(there):
            continue
        due = write_key_due_at(policy, key)
        if due is not None and key.channel.account.on_platform.can_rotate_write_keys:
            before = due - timedelta(days=policy.remind_before)
            first[policy.pk] = (min(before, first.get(policy.pk, (before, policy))[0]), policy)
    for at, policy in first.values():
        if at > now:
            said = _("Managers get a mail about the renewals that come.")
            url = reverse("renewal_policy", args=[policy.organization_id])
            yield Event(at, "off", gettext_lazy("Reminder"), paths.to(policy.organization), said, url)
