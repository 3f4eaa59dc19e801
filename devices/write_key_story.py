"""A device's write keys in words: which is good until when, how each came and went, and what happens next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.attempts import Attempt
from channels.models import ChannelKey, KeyState, Renewal, RenewalPolicy
from channels.renewal_models import RenewalState
from devices.models import Device, RollOver
from devices.renewal_due import write_key_due_at
from devices.renewal_policies import Policies
from devices.rollover_models import RollOverState
from devices.spans import day, day_and_time


@dataclass(frozen=True)
class Story:
    """How it stands: `kind` and `label` as in `_state.html`, then sentences. `is_moving`: it may change any minute."""

    kind: str
    label: str | Promise
    sentences: list[str]
    is_moving: bool = False


@dataclass(frozen=True)
class KeyLine:
    """One write key of a timeline."""

    key: ChannelKey
    kind: str
    state: str | Promise
    made: str
    ended: str = ""

    @property
    def is_good(self) -> bool:
        return self.key.state in (KeyState.CURRENT, KeyState.RETIRING)


def story_of(
    device: Device,
    keys: Iterable[ChannelKey],
    renewals: Iterable[Renewal],
    moving: RollOver | None,
    policies: Policies,
    now: datetime,
) -> Story:
    """Return how it stands with the write key of `device`, and what happens next.

    `keys` are its good write keys, `renewals` the newest renewals of its channel, newest first, and `moving` is its
    move to a new channel, while there is one.
    """
    if device.channel is None:
        return Story("wait", gettext_lazy("No channel yet"), [_("The device has no channel yet, and so no keys.")])
    if moving is not None:
        return story_of_move(device, moving)
    renewals = list(renewals)
    urgent = next((one for one in renewals if one.urgent and one.state == RenewalState.STARTED), None)
    running = next((one for one in renewals if one.state == RenewalState.OVERLAP), None)
    waiting = next((one for one in renewals if one.state == RenewalState.STARTED), None)
    if urgent:
        return _revoking(device, urgent)
    if running and running.new_key:
        return _overlapping(device, running, running.new_key, now)
    if waiting:
        return _waiting(waiting)
    current = next((key for key in keys if key.state == KeyState.CURRENT), None)
    if current is None:
        return Story("bad", gettext_lazy("No key"), [_("The channel has no write key that the portal knows.")])
    missed = _missed(device, current, renewals[:1])
    if missed:
        return missed
    sentences = [_("There is one write key, and it stays good until it is renewed or revoked.")]
    return Story("good", gettext_lazy("Good"), [*sentences, next_renewal(device, current, policies, now)])


def _revoking(device: Device, renewal: Renewal) -> Story:
    if renewal.ended_there_at is not None:
        said = _("All write keys of “{device}” have ended. It gets a new one as soon as it asks.")
        label = gettext_lazy("Not fetched")
        return Story("warn", label, [said.format(device=device), *_trouble(renewal)], is_moving=True)
    said = _(
        "All write keys of “{device}” are to end at once, but the channel platform has not done it yet. Until then "
        "whoever has one can still write."
    )
    return Story(
        "bad",
        gettext_lazy("Being revoked"),
        [said.format(device=device), *_trouble(renewal)],
        is_moving=True,
    )


def _waiting(renewal: Renewal) -> Story:
    said = _("A new key has been asked for. The old one stays good until the device has the new one.")
    kind = "warn" if renewal.trouble else "wait"
    return Story(kind, gettext_lazy("Being renewed"), [said, *_trouble(renewal)], is_moving=True)


def story_of_move(device: Device, moving: RollOver) -> Story:
    """Return how it stands with the device's move to a new channel."""
    if moving.state == RollOverState.STARTED:
        said = _("“{device}” is to move to a new channel. Until that is there it writes to the one that it has.")
        kind = "warn" if moving.trouble else "wait"
        return Story(kind, gettext_lazy("New channel"), [said.format(device=device), *_trouble(moving)], is_moving=True)
    said = _(
        "“{device}” has a new channel with a new write key, and hears of it when it asks next. Until then the old "
        "channel takes what it measures, until {until} at most."
    )
    until = day_and_time(moving.deadline) if moving.deadline else ""
    sentences = [said.format(device=device, until=until), *_trouble(moving)]
    return Story("wait", gettext_lazy("Moves to a new channel"), sentences, is_moving=True)


def _trouble(renewal: Attempt) -> list[str]:
    said = [renewal.get_trouble_display()] if renewal.trouble else []
    if renewal.next_try_at:
        said.append(_("The next try is at {moment}.").format(moment=day_and_time(renewal.next_try_at)))
    return said


def _overlapping(device: Device, renewal: Renewal, new: ChannelKey, now: datetime) -> Story:
    until = day_and_time(renewal.deadline) if renewal.deadline else ""
    if has_moved(new):
        said = _("“{device}” uses the new key. The old one ends within minutes.").format(device=device)
        return Story("good", gettext_lazy("Renewed"), [said, *_trouble(renewal)], is_moving=True)
    if renewal.deadline and renewal.deadline <= now:
        said = _("The time of the old key is over; it is being ended. “{device}” has not fetched its new key yet.")
        return Story(
            "warn", gettext_lazy("Not fetched"), [said.format(device=device), *_trouble(renewal)], is_moving=True
        )
    if new.told_at:
        told = _("“{device}” has been told its new key. Both keys are good.")
    else:
        told = _("“{device}” has not been told its new key yet: it hears of it when it asks or writes next.")
    ends = _("The old key ends when the device first writes with the new one, on {until} at the latest.")
    sentences = [told.format(device=device), ends.format(until=until)]
    return Story("wait", gettext_lazy("Both keys are good"), [*sentences, *_trouble(renewal)], is_moving=True)


def has_moved(new: ChannelKey) -> bool:
    """Whether the device has shown that it has the key."""
    return bool(new.acknowledged_at or new.first_used_at)


def _missed(device: Device, current: ChannelKey, newest: list[Renewal]) -> Story | None:
    """The device has not fetched the key that it needs by now, or the last renewal was given up."""
    for renewal in newest:
        if renewal.state == RenewalState.FAILED and renewal.outcome != Renewal.Outcome.OVERRIDDEN:
            said = _("The last renewal was given up: {reason}").format(reason=renewal.get_trouble_display())
            return Story("bad", gettext_lazy("Not renewed"), [said, _("The key is still the one from before.")])
    if current.version == 1 or has_moved(current):
        return None
    said = _(
        "The old key has ended and “{device}” has not used its new one yet. It fetches it by itself when the old one "
        "is refused or when it is switched on, and then sends what it has measured meanwhile. Is it switched on?"
    )
    return Story("warn", gettext_lazy("Not fetched"), [said.format(device=device)], is_moving=True)


def next_renewal(device: Device, key: ChannelKey, policies: Policies, now: datetime) -> str:
    """Return in a sentence when the key is renewed next, and by what."""
    policy = policies.at(device.organization)
    due = write_key_due_at(policy, key) if policy else None
    if policy is None or due is None:
        return _("Nothing renews it by itself: no policy says so.")
    if not device.channel or not device.channel.account.on_platform.can_rotate_write_keys:
        return _by_hand_or_moved(policy, due)
    if policies.pause_at(device.organization):
        return _("It was to be renewed about {day}, but renewals are paused.").format(day=day(due))
    if due <= now:
        return _("It is due now and is renewed by itself, outside of the policy's quiet hours.")
    return _("It is renewed by itself about {day}, as the policy says.").format(day=day(due))


def _by_hand_or_moved(policy: RenewalPolicy, due: datetime) -> str:
    if policy.instead == RenewalPolicy.Instead.REPLACE:
        said = _("About {day} the device moves to a new channel with a new key by itself, as the policy says.")
    else:
        said = _("The policy wants it renewed by {day}; managers are reminded by mail.")
    return said.format(day=day(due))


def lines_of(keys: Iterable[ChannelKey], ended_by: Mapping[int, Renewal], nameable: Collection[int]) -> list[KeyLine]:
    """Return the keys in words. `ended_by` are the renewals by the primary key of the old key.

    `nameable` are the people whom the reader may be told by name; see `orgs.discretion`.
    """
    return [_line(key, ended_by.get(key.pk), nameable) for key in keys]


def _line(key: ChannelKey, renewal: Renewal | None, nameable: Collection[int]) -> KeyLine:
    kind, state = _STATES[KeyState(key.state)]
    ended = str(renewal.get_outcome_display()) if renewal and key.ended_at and renewal.outcome else ""
    return KeyLine(key, kind, state, made_by(key, nameable), ended)


_STATES: dict[KeyState, tuple[str, Promise]] = {
    KeyState.PENDING: ("wait", gettext_lazy("Not in use yet")),
    KeyState.CURRENT: ("good", gettext_lazy("Good")),
    KeyState.RETIRING: ("wait", gettext_lazy("Good for a while")),
    KeyState.ENDED: ("off", gettext_lazy("Ended")),
    KeyState.REVOKED: ("off", gettext_lazy("Revoked")),
}


def made_by(key: ChannelKey, nameable: Collection[int]) -> str:
    """Return by whom or what the key was made."""
    if key.created_by and key.created_by.pk in nameable:
        return _("{how}, by {who}").format(how=key.get_origin_display(), who=key.created_by)
    return str(key.get_origin_display())
