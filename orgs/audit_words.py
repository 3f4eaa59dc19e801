"""What the actions of the audit are called for people: one table for all apps, and the kinds that they are sorted into.

An action that is not in the table is still readable: "device.painted" becomes “Device: painted”.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: dict[str, str | Promise] = {
    # Devices
    "channel.deleted": _("Channel {channel} was deleted on the platform, as it belonged to no device."),
    "channel.not_deleted": _("Channel {about} could not be deleted: the platform refuses the account key."),
    "device.approved": _("“{about}” was let in."),
    "device.blocked": _("“{about}” was blocked."),
    "device.deleted": _("“{about}” was deleted."),
    "device.described": _("“{about}” was described anew."),
    "device.forgotten": _("“{about}” was taken from the list of those that wait to be let in."),
    "device.moved": _("“{about}” was moved here from {before}."),
    "device.moved_to_new_channel": _("“{about}” writes to a new channel."),
    "device.new_channel_cancelled": _("“{about}” keeps its channel: its move to a new one was called off."),
    "device.new_channel_started": _("A new channel was asked for, for “{about}”."),
    "device.old_channel_deleted": _("The old channel of “{about}” was deleted on the platform."),
    "device.old_channel_kept": _("The old channel of “{about}” stays on the platform."),
    "device.refused": _("“{about}” was not let in."),
    "device.refusal_undone": _("“{about}” waits at the door again; its refusal was undone."),
    "device.registered": _("With the key {registration}, “{about}” registered itself."),
    "device.registered_somehow": _("“{about}” registered itself."),
    "device.renamed": _("“{before}” was renamed to “{about}”."),
    "device.replaced": _("“{about}” took the place of the hardware {before}."),
    "device.unblocked": _("“{about}” was unblocked."),
    "expected_devices.entered": _("Serial numbers were entered of devices that may come in."),
    "expected_devices.removed": _("Serial numbers of devices that were to come in were removed."),
    "expected_devices.restored": _("Serial numbers of devices that were to come in were put on the list again."),
    "finding.dismissed": _("Something that had been noticed was put aside: {about}."),
    "history.imported": _("{entries} earlier measurements were added to “{about}”."),
    # Keys
    "read_key.added": _("A program got a read key to “{about}”: {note}."),
    "read_key.found_added": _("The portal found a new read key of “{about}” on the platform."),
    "read_key.found_ended": _("The portal found that a read key of “{about}” had ended on the platform."),
    "read_key.renewed": _("A read key to “{about}” was renewed."),
    "read_key.revoked": _("A read key to “{about}” was revoked."),
    "read_key.shown": _("The read key to “{about}” was shown."),
    "registration_key.changed": _("The limits of registration key {about} were changed."),
    "registration_key.ended": _("Registration key {about} was ended after its renewal."),
    "registration_key.issued": _("Registration key {about} was made."),
    "registration_key.renewed": _("Registration key {about} was renewed: {successor} takes its place."),
    "registration_key.revoked": _("Registration key {about} was revoked."),
    "registration_key.shown": _("Registration key {about} was shown."),
    "renewal_policy.changed": _("The renewal policy of {about} was changed."),
    "renewal_policy.made": _("{about} got a renewal policy."),
    "renewal_policy.paused": _("Renewals were paused in {about}."),
    "renewal_policy.removed": _("The renewal policy of {about} was removed."),
    "renewal_policy.resumed": _("Renewals go on in {about}."),
    "write_key.all_renewals_started": _("The renewal of {count} write keys in {about} was started."),
    "write_key.all_revocations_started": _("All write keys in {about} were revoked: {count}."),
    "write_key.ended": _("Write key {version} of “{about}” was ended after its renewal."),
    "write_key.found_renewed": _("The portal found write key {version} of “{about}”, made on the platform itself."),
    "write_key.renewal_started": _("The renewal of write key {version} of “{about}” was started."),
    "write_key.renewed": _("“{about}” got write key {version}."),
    "write_key.revocation_started": _("Write key {version} of “{about}” was to be revoked."),
    "write_key.revoked": _("“{about}” got write key {version}; those before are revoked."),
    # People
    "invitation.accepted": _("The invitation {about} was accepted."),
    "invitation.restored": _("The invitation {about}, which had been withdrawn, stands again."),
    "invitation.sent": _("The invitation {about} was sent."),
    "invitation.sent_again": _("The invitation {about} was sent again."),
    "invitation.withdrawn": _("The invitation {about} was withdrawn."),
    "membership.changed": _("The place {about} was changed."),
    "membership.ended": _("The place {about} was ended."),
    "membership.left": _("The place {about} was given up."),
    "membership.moved": _("The place {about} was moved here from {before}."),
    "membership.restored": _("The place {about} was given back."),
    # Organizations
    "customer.closed": _("“{about}” was closed, with {devices} devices and {people} people."),
    "organization.created": _("“{about}” was made."),
    "organization.deleted": _("“{about}” was deleted."),
    "organization.described": _("“{about}” was renamed or described anew."),
    "organization.moved": _("“{about}” was moved into {to}."),
    "platform_account.entered": _("A new account key of the channel platform was entered."),
    "platform_account.renewed": _("The account key of the channel platform was renewed."),
    "platform_account.shown": _("The account key of the channel platform was shown."),
    "platform_account.synced": _("The account was compared with the channel platform."),
    "registration_policy.changed": _("Who may register was changed: {to}."),
    # One's own account
    "account.changed": _("The account {about} was changed."),
    "account.closed": _("The account {about} was closed."),
    "account.new_address": _("{about} has a new e-mail address; before it was {before}."),
    "account.new_password": _("{about} chose a new password."),
    "account.password_reset": _("{about} chose a new password by the link in a mail."),
    "account.second_factor_added": _("{about} set up a second factor."),
    "account.second_factor_removed": _("{about} removed a second factor."),
    "account.second_factor_renewed": _("{about} made new recovery codes."),
    "log_in.ended": _("Log-ins of {about} were ended."),
    "take_out.asked_for": _("A file with all data of {about} was asked for."),
    "take_out.fetched": _("A file with all data of {about} was fetched."),
    # Mail
    "letter.given_up": _("A mail to {about} was given up after {tries} tries: {trouble}."),
    # Operators of the portal
    "operator.added": _("An operator of the portal added {about}."),
    "operator.changed": _("An operator of the portal changed {about}: {what}"),
    "operator.deleted": _("An operator of the portal deleted {about}."),
}

KINDS: dict[str, tuple[Promise, tuple[str, ...]]] = {
    "keys": (_("Keys"), ("read_key", "registration_key", "renewal_policy", "write_key")),
    "devices": (_("Devices"), ("channel", "device", "expected_devices", "finding", "history")),
    "people": (_("People"), ("invitation", "membership")),
    "organization": (
        _("Organizations and account"),
        ("customer", "organization", "platform_account", "registration_policy"),
    ),
    "operators": (_("Operators of the portal"), ("operator",)),
}
"""By what a history can be narrowed: the first parts of the actions of each kind."""


def in_words(action: str, about: str, details: Mapping[str, Any]) -> str:
    """Return in a sentence what happened to the thing that people know as `about`."""
    sentence = WORDS.get(action)
    if sentence is None:
        thing, _dot, what = action.partition(".")
        return f"{thing.replace('_', ' ').capitalize()}: {what.replace('_', ' ')} ({about})"
    known = {name: value for name, value in details.items() if value not in (None, "")}
    return str(sentence).format_map(defaultdict(lambda: "–", known, about=about))


def of_kind(kind: str) -> Q:
    """Return the condition on audit entries that they are of that kind; any other word is no condition."""
    condition = Q()
    for thing in KINDS[kind][1] if kind in KINDS else ():
        condition |= Q(action__startswith=f"{thing}.")
    return condition
