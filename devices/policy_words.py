"""A renewal policy in sentences, and what it would do with the devices that there are."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from channels.models import RenewalPolicy
from channels.renewal_policy import SPREAD
from devices.spans import DAY, day, span


def in_words(policy: RenewalPolicy) -> list[str]:
    """Return what the policy says, a sentence for each part of it."""
    said = intervals(policy)
    said.append(_("An old key stays good beside the new one for {span} at most.").format(span=span(policy.overlap)))
    if policy.quiet_from is not None and policy.quiet_until is not None:
        quiet = _("Nothing is renewed between {begin} and {end} ({zone}).")
        begin, end = (time_format(moment, "TIME_FORMAT") for moment in (policy.quiet_from, policy.quiet_until))
        said.append(quiet.format(begin=begin, end=end, zone=policy.time_zone))
    said.extend(_mails(policy))
    if policy.paused:
        said.append(_("Renewals are paused here and below."))
    return said


def intervals(policy: RenewalPolicy) -> list[str]:
    """Return how often what is renewed, a sentence for each kind of key."""
    return [_write_keys(policy), *_instead(policy), _registration_keys(policy), _read_keys(policy)]


def _write_keys(policy: RenewalPolicy) -> str:
    if policy.write_every is None:
        return _("Write keys are renewed by hand alone.")
    every = span(policy.write_every * DAY)
    early = span(timedelta(days=max(1, round(policy.write_every * SPREAD))))
    said = _("Write keys are renewed every {span}, each up to {early} earlier so that not all change at once.")
    return said.format(span=every, early=early)


def _instead(policy: RenewalPolicy) -> list[str]:
    if policy.write_every is None:
        return []
    if policy.instead == RenewalPolicy.Instead.REMIND:
        return [_("Where the platform cannot do that, managers are reminded by mail to renew them there.")]
    if policy.keep_replaced:
        return [_("Where the platform cannot do that, the device is moved to a new channel, and the old one is kept.")]
    return [_("Where the platform cannot do that, the device is moved to a new channel, and the old one is deleted.")]


def _registration_keys(policy: RenewalPolicy) -> str:
    if policy.registration_every is None:
        return _("Registration keys are renewed by hand alone.")
    return _("Registration keys are renewed every {span}.").format(span=span(policy.registration_every * DAY))


def _read_keys(policy: RenewalPolicy) -> str:
    if policy.read_every is None:
        return _("People's read keys are renewed by hand alone.")
    return _("People's read keys are renewed every {span}.").format(span=span(policy.read_every * DAY))


def _mails(policy: RenewalPolicy) -> list[str]:
    said = []
    if policy.remind_before is not None and (policy.write_every or policy.registration_every):
        days = span(policy.remind_before * DAY)
        said.append(_("Managers get a mail {span} before.").format(span=days))
    if policy.report_after:
        said.append(_("Managers get a mail that says what became of it."))
    return said


def example(policy: RenewalPolicy, devices: int, next_at: datetime | None) -> list[str]:
    """Return what the policy does with so many devices, whose first renewal is at `next_at`."""
    if policy.write_every is None:
        return [_("No write key is renewed by itself under it.")]
    if not devices:
        return [_("No device is under it yet.")]
    said = [_how_often(timedelta(days=policy.write_every / devices), devices)]
    if policy.paused:
        said.append(_("At the moment there is none, since it is paused."))
    elif next_at is not None:
        said.append(_("The next one is about {day}.").format(day=day(next_at)))
    return said


def _how_often(between: timedelta, devices: int) -> str:
    if between >= DAY:
        said = ngettext(
            "With {count} device there is about one renewal every {span}.",
            "With {count} devices there is about one renewal every {span}.",
            devices,
        )
        return said.format(count=devices, span=span(timedelta(days=round(between / DAY))))
    said = ngettext(
        "With {count} device there are about {number} renewals a day.",
        "With {count} devices there are about {number} renewals a day.",
        devices,
    )
    return said.format(count=devices, number=round(DAY / between))
