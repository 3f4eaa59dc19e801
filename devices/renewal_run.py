"""Everything about keys that is due: what `manage.py renew` and the background worker do.

Safe to run twice, at once and after a crash: each step is a row that only one run can take.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from django.utils import timezone

from channels import keys_read, renewal_run
from channels import renewal as write_keys
from channels.errors import CannotRenew
from channels.models import RenewalPolicy
from channels.platforms import NoSuchChannel, PlatformError
from channels.vault import CannotDecrypt
from devices import read_rights, renewal_due, renewal_mail, rollover, rollover_run
from devices import renewal as registration_keys
from devices.models import Device


@dataclass
class Done:
    """What one run has done, counted."""

    started: int = 0
    renewed: int = 0
    ended: int = 0
    devices_moved: int = 0
    channels_left: int = 0
    registration_keys_renewed: int = 0
    registration_keys_ended: int = 0
    read_keys_renewed: int = 0
    read_keys_ended: int = 0
    mails: int = 0

    @property
    def is_nothing(self) -> bool:
        return not any(getattr(self, field.name) for field in fields(self))


def run(now: datetime | None = None) -> Done:
    """Start what the policies want, carry on what is open, end what is over, and tell the managers."""
    now = now or timezone.now()
    done = Done()
    policies = RenewalPolicy.objects.automatic().select_related("organization")
    for policy in policies:
        if not policy.is_quiet_at(now):
            _start_due(policy, now, done)
    carried_on = renewal_run.carry_on()
    done.renewed, done.ended = carried_on.renewed, carried_on.ended
    moved_on = rollover_run.carry_on()
    done.devices_moved, done.channels_left = moved_on.moved, moved_on.left
    done.registration_keys_ended = registration_keys.end_moved()
    done.read_keys_ended = keys_read.end_retired_read_keys(now) + read_rights.end_lost_read_keys()
    done.mails = renewal_mail.announce(now) + renewal_mail.report(now)
    return done


def _start_due(policy: RenewalPolicy, now: datetime, done: Done) -> None:
    for key in renewal_due.due_write_keys(policy, now):
        try:
            if key.channel.account.on_platform.can_rotate_write_keys:
                write_keys.start(key.channel, by=None, overlap=policy.overlap)
            elif policy.instead == RenewalPolicy.Instead.REPLACE:
                devices = Device.objects.select_related("organization", "channel__account")
                device = devices.defer("channel__account__key").get(channel=key.channel)
                rollover.intend(device, by=None, keep_old=policy.keep_replaced, overlap=policy.overlap)
            else:
                continue  # people are reminded
        except (CannotRenew, Device.DoesNotExist):
            continue  # another run has started it, or the account is full
        done.started += 1
    for registration_key in renewal_due.due_registration_keys(policy, now):
        try:
            registration_keys.renew(registration_key, by=None)
        except CannotRenew:
            continue
        done.registration_keys_renewed += 1
    renewed = []
    away: set[int] = set()
    for read_key in renewal_due.due_read_keys(policy, now):
        account = read_key.channel.account_id
        try:
            if account not in away and keys_read.renew_read_key(read_key, overlap=policy.overlap, now=now):
                renewed.append(read_key)
        except NoSuchChannel:
            continue  # the comparison with the platform reports it
        except (PlatformError, CannotDecrypt):
            away.add(account)  # the next run tries again
    done.read_keys_renewed += len(renewed)
    done.mails += renewal_mail.tell_holders(renewed)
