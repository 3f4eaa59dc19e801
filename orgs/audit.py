"""Who did what, when and from where. Entries are only ever added, and never hold a key.

Each app names its own actions, as `thing.what_happened`: "registration_key.shown", "membership.ended".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Never, Self

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from orgs.models import Organization, User

# What a detail may not be called: whoever writes `key=…` is about to store a secret.
NEVER_DETAILS = frozenset({"key", "keys", "secret", "password", "token", "code", "envelope", "write_key", "read_key"})
# One by one: SQLite does not see that a list of parameters is the list which a partial index is about.
INVITATIONS_SENT = Q(action="invitation.sent") | Q(action="invitation.sent_again")
"""Each mail with an invitation: what a customer may send in a day is counted by them."""
Plain = str | int | float | bool | datetime | None


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Entries, narrowed. They are never changed; they go only by growing old."""

    def at_or_below(self, organization: Organization) -> Self:
        """Return what happened in the organization and below it."""
        below = type(organization).objects.get_queryset().at_or_below(organization)
        return self.filter(organization__in=below)

    def about(self, thing: models.Model) -> Self:
        """Return what happened to one thing, also to one that is deleted by now."""
        return self.filter(object_type=thing._meta.label_lower, object_id=str(thing.pk))

    def forget_before(self, moment: datetime) -> int:
        """Delete the entries from before `moment`; return how many those were."""
        old = models.QuerySet[AuditEntry](self.model, using=self.db).filter(created_at__lt=moment)
        return old.delete()[0]

    def update(self, **_fields: Any) -> Never:
        raise TypeError("Audit entries are not changed.")

    def delete(self) -> Never:
        raise TypeError("Audit entries are not deleted but forgotten by age: see forget_before.")


class AuditEntry(models.Model):
    """Something that somebody did. Names are kept as text as well, for when who or what is gone."""

    created_at = models.DateTimeField(_("when"), default=timezone.now, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("account"),
    )
    actor_name = models.CharField(
        _("who"), max_length=254, blank=True, editable=False, help_text=_("Empty: nobody who was logged in.")
    )
    action = models.CharField(_("what"), max_length=60, editable=False)
    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
        verbose_name=_("organization"),
    )
    organization_name = models.CharField(_("name of the organization"), max_length=100, blank=True, editable=False)
    object_type = models.CharField(_("kind of thing"), max_length=60, editable=False)
    object_id = models.CharField(_("number of the thing"), max_length=40, editable=False)
    object_label = models.CharField(_("about"), max_length=200, editable=False)
    details = models.JSONField(_("details"), default=dict, encoder=DjangoJSONEncoder, editable=False)
    address = models.GenericIPAddressField(_("from where"), null=True, editable=False)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-created_at", "-pk")
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="audit_by_organization_and_time"),
            models.Index(fields=["object_type", "object_id", "-created_at"], name="audit_by_thing_and_time"),
            models.Index(fields=["-created_at"], name="audit_by_time"),
            models.Index(
                fields=["organization", "-created_at"], condition=INVITATIONS_SENT, name="audit_of_invitations_sent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M:%S} {self.action}: {self.object_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Audit entries are not changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError("Audit entries are not deleted but forgotten by age: see forget_before.")


def record(
    action: str,
    *,
    by: User | AnonymousUser | None,
    organization: Organization | None,
    about: models.Model,
    address: str | None = None,
    **details: Plain | Sequence[Plain] | Mapping[str, Plain],
) -> AuditEntry:
    """Store that `by` (nobody: a device, a timer) did `action` to `about`, coming from the IP address `address`.

    `details` are what the entry adds in words and numbers, such as names of changed fields; never a secret. Call it
    in the transaction of the thing that it tells of, so that neither is there without the other. Raises ValueError
    for a detail whose name says that it is a secret.
    """
    entry = _entry(action, by=by, organization=organization, about=about, address=address, details=details)
    entry.save(force_insert=True)
    return entry


def record_of_each(
    action: str,
    things: Iterable[tuple[models.Model, Organization]],
    *,
    by: User | AnonymousUser | None,
    address: str | None = None,
    **details: Plain,
) -> None:
    """Store the same of each of these things, given with its organization, in one statement for hundreds.

    See `record`.
    """
    entries = [
        _entry(action, by=by, organization=organization, about=thing, address=address, details=details)
        for thing, organization in things
    ]
    AuditEntry.objects.bulk_create(entries, batch_size=500)


def _entry(
    action: str,
    *,
    by: User | AnonymousUser | None,
    organization: Organization | None,
    about: models.Model,
    address: str | None,
    details: Mapping[str, Any],
) -> AuditEntry:
    if secrets := NEVER_DETAILS.intersection(details):
        raise ValueError(f"An audit entry never holds a secret: {', '.join(sorted(secrets))}.")
    who = None if by is None or by.is_anonymous else by
    return AuditEntry(
        actor=who,
        actor_name=who.email if who else "",
        action=action,
        organization=organization,
        organization_name=organization.name if organization else "",
        object_type=about._meta.label_lower,
        object_id=str(about.pk),
        object_label=f"{about._meta.verbose_name} {about}"[:200],
        details=details,
        address=address,
    )


def address_of(request: HttpRequest) -> str | None:
    """Return the IP address that the request came from, by the same rule as the rate limits at log-in.

    Behind a proxy that rule is the setting ALLAUTH_TRUSTED_PROXY_COUNT. None when it cannot be told.
    """
    try:
        return str(get_adapter(request).get_client_ip(request))
    except PermissionDenied:
        return None
