"""Which keys somebody has been shown, and which of those are still good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Max, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.models import ChannelKey, KeyState, PlatformAccount, ShownKey
from devices.models import Device, RegistrationKey
from orgs.models import AuditEntry, User
from orgs.paths import Paths

READ_KEY = gettext_lazy("Read key")
REGISTRATION_KEY = gettext_lazy("Registration key")
ACCOUNT_KEY = gettext_lazy("Account key")
PROGRAM_KEY = gettext_lazy("Read key for a program")
DEVICE = "channel__device__organization"
MOST = 1000
"""How many showings of each kind are looked up, the newest first."""


@dataclass(frozen=True)
class Showing:
    """A key that somebody has seen. `what` and `where` are no more than that person may know today, or knew then."""

    kind: Promise | str
    what: str
    where: str
    at: datetime
    is_good: bool
    until: datetime | None = None


def shown_to(user: User) -> list[Showing]:
    """Return the keys that `user` has been shown, those shown last first. Asks the database a fixed number of times."""
    paths = Paths(user)
    found = [*_own(user, paths), *_shared(user, paths), *_from_the_audit(user, paths)]
    return sorted(found, key=lambda showing: showing.at, reverse=True)


def _own(user: User, paths: Paths) -> Iterator[Showing]:
    keys = list(ChannelKey.objects.filter(holder=user).select_related(DEVICE).order_by("-pk")[:MOST])
    visible = _visible(user, keys)
    for key in keys:
        is_visible = key.channel_id in visible
        yield _of_channel(READ_KEY, key, paths, is_visible=is_visible, at=key.created_at)


def _shared(user: User, paths: Paths) -> Iterator[Showing]:
    showings = list(ShownKey.objects.filter(user=user).select_related(f"key__{DEVICE}").order_by("-at")[:MOST])
    visible = _visible(user, [showing.key for showing in showings])
    for showing in showings:
        is_visible = showing.key.channel_id in visible
        yield _of_channel(READ_KEY, showing.key, paths, is_visible=is_visible, at=showing.at)


def _visible(user: User, keys: Iterable[ChannelKey]) -> set[int | None]:
    """Return the channels of these keys whose device the person sees today."""
    channels = {key.channel_id for key in keys}
    return set(Device.objects.visible_to(user).filter(channel__in=channels).values_list("channel", flat=True))


def _of_channel(
    kind: Promise, key: ChannelKey, paths: Paths, *, is_visible: bool, at: datetime, where: str = ""
) -> Showing:
    return Showing(
        kind=kind,
        what=str(key.channel.device) if is_visible else _("Channel {number}").format(number=key.channel.number),
        where=paths.to(key.channel.device.organization) if is_visible else where,
        at=at,
        # One that retires without a date is being ended right now.
        is_good=key.state == KeyState.CURRENT or (key.state == KeyState.RETIRING and key.valid_until is not None),
        until=key.valid_until if key.state == KeyState.RETIRING else None,
    )


def _from_the_audit(user: User, paths: Paths) -> Iterator[Showing]:
    """What is not in tables of its own: keys of organizations and of accounts, and those made for programs."""
    showing = Q(action__endswith=".shown") & ~Q(action="read_key.shown") | Q(action="read_key.added")
    last: dict[str, dict[int, AuditEntry]] = {}
    registration_keys = Q(object_type=RegistrationKey._meta.label_lower)
    # Apart from each other: of labels for a whole house there are hundreds, and each shows a key.
    for some in (registration_keys, ~registration_keys):
        for entry in _newest_of_each(AuditEntry.objects.filter(showing, some, actor=user)):
            last.setdefault(entry.object_type, {})[int(entry.object_id)] = entry
    yield from _program_keys(user, paths, last.pop(ChannelKey._meta.label_lower, {}))
    yield from _registration_keys(user, paths, last.pop(RegistrationKey._meta.label_lower, {}))
    yield from _account_keys(last.pop(PlatformAccount._meta.label_lower, {}))
    for entries in last.values():
        yield from (_as_noted(gettext_lazy("Key"), entry, is_good=True) for entry in entries.values())


def _newest_of_each(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Return the newest entry about each thing, of the things that `MOST` were shown last."""
    things = entries.order_by().values("object_type", "object_id").annotate(newest=Max("pk")).order_by("-newest")
    return AuditEntry.objects.filter(pk__in=things.values("newest")[:MOST])


def _as_noted(kind: Promise, entry: AuditEntry, *, is_good: bool, until: datetime | None = None) -> Showing:
    return Showing(kind, entry.object_label, entry.organization_name, entry.created_at, is_good, until)


def _program_keys(user: User, paths: Paths, last: dict[int, AuditEntry]) -> Iterator[Showing]:
    keys = ChannelKey.objects.select_related(DEVICE).in_bulk(last)
    visible = _visible(user, keys.values())
    for pk, entry in last.items():
        if key := keys.get(pk):
            is_visible, where = key.channel_id in visible, entry.organization_name
            yield _of_channel(PROGRAM_KEY, key, paths, is_visible=is_visible, at=entry.created_at, where=where)
        else:
            yield _as_noted(PROGRAM_KEY, entry, is_good=False)


def _registration_keys(user: User, paths: Paths, last: dict[int, AuditEntry]) -> Iterator[Showing]:
    keys = RegistrationKey.objects.select_related("organization").in_bulk(last)
    managed = set(RegistrationKey.objects.managed_by(user).filter(pk__in=keys).values_list("pk", flat=True))
    for pk, entry in last.items():
        key = keys.get(pk)
        showing = _as_noted(
            REGISTRATION_KEY, entry, is_good=key is not None and key.is_good, until=key.expires_at if key else None
        )
        if key is not None and pk in managed:
            yield replace(showing, what=str(key), where=paths.to(key.organization))
        else:
            name = entry.object_label.removeprefix(f"{RegistrationKey._meta.verbose_name} ")
            yield replace(showing, what=name)


def _account_keys(last: dict[int, AuditEntry]) -> Iterator[Showing]:
    replaced = _account_keys_replaced(last)
    for pk, entry in last.items():
        is_good = replaced.get(str(pk), entry.created_at) <= entry.created_at
        yield replace(_as_noted(ACCOUNT_KEY, entry, is_good=is_good), what="")  # An organization has one.


def _account_keys_replaced(accounts: Iterable[int]) -> dict[str, datetime]:
    """When the key of each account was replaced last."""
    entries = AuditEntry.objects.filter(
        action__in=("platform_account.renewed", "platform_account.entered"),
        object_type=PlatformAccount._meta.label_lower,
        object_id__in=[str(pk) for pk in accounts],
    )
    return dict(entries.order_by().values_list("object_id").annotate(at=Max("created_at")))
