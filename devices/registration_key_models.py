"""Registration keys: what is set into devices, so that they find their customer."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.compiled import CompiledUpdate
from channels.vault import EncryptedTextField
from devices.registration_key_text import RegistrationKeyText
from orgs import access
from orgs.models import Organization

if TYPE_CHECKING:
    from orgs.models import User

HALF_LENGTH = 8


class RegistrationKeyQuerySet(models.QuerySet["RegistrationKey"]):
    """Registration keys, narrowed."""

    def managed_by(self, user: User | AnonymousUser) -> Self:
        return self.filter(organization__in=access.managed_organizations(user))

    def good(self, at: datetime | None = None) -> Self:
        """Return the keys that the device endpoint accepts."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at or timezone.now()), revoked_at__isnull=True)

    def letting_in(self, at: datetime | None = None) -> Self:
        """Return the good keys that let one more new device in: none that have been renewed or are used up."""
        not_used_up = Q(use_limit__isnull=True) | Q(uses__lt=F("use_limit"))
        return self.good(at).filter(not_used_up, successor__isnull=True)

    def renewed(self) -> Self:
        """Return the keys that have a successor and still serve the devices that know them."""
        return self.good().filter(successor__isnull=False)

    def take_use(self, key: RegistrationKey) -> bool:
        """Count one more device; return False when the limit is reached, also if several come at once.

        A key that has been renewed lets in no new device either.
        """
        return bool(_TAKE_USE.run(key=key.pk, now=timezone.now()))

    def give_back_use(self, key: RegistrationKey) -> None:
        """Undo `take_use`."""
        self.filter(pk=key.pk, uses__gt=0).update(uses=F("uses") - 1)


def _use_taken(key: int, now: datetime) -> tuple[RegistrationKeyQuerySet, dict[str, Any]]:
    return RegistrationKey.objects.letting_in(now).filter(pk=key), {"uses": F("uses") + 1}


_TAKE_USE = CompiledUpdate(_use_taken, key=-7_777_777, now=datetime(2001, 1, 1, tzinfo=UTC))


class RegistrationKey(models.Model):
    """What Homer types into a device, like HQ481047-1JWORF43.

    The lookup half travels and authenticates; the secret half never does. Devices that use the key land in
    `organization`. The envelope key is derived from the secret half once, here, and not on the request path.
    """

    SECRETS = ("secret", "envelope_key_base64")
    """Fields that are decrypted when they are loaded."""

    customer = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="all_registration_keys", verbose_name=_("customer")
    )
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="registration_keys",
        verbose_name=_("organization"),
        help_text=_("Where devices that use the key land."),
    )
    label = models.CharField(_("label"), max_length=100, blank=True)
    lookup = models.CharField(_("lookup half"), max_length=HALF_LENGTH, unique=True, editable=False)
    secret = EncryptedTextField(_("secret half"), editable=False)
    envelope_key_base64 = EncryptedTextField(editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    use_limit = models.PositiveIntegerField(_("devices at most"), null=True, blank=True)
    uses = models.PositiveIntegerField(_("devices so far"), default=0, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    # A renewal: the successor of a key is always the newest of its line, so that a device that was away for several
    # renewals takes one step. All keys of a line know its first.
    successor = models.ForeignKey(
        "self",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        editable=False,
        related_name="predecessors",
        verbose_name=_("renewed by"),
    )
    first = models.ForeignKey(
        "self", on_delete=models.RESTRICT, null=True, blank=True, editable=False, related_name="+"
    )
    renewed_at = models.DateTimeField(_("renewed"), null=True, blank=True, editable=False)
    announced_at = models.DateTimeField(_("managers reminded"), null=True, blank=True, editable=False)
    ends_when_moved = models.BooleanField(_("ends when all devices have the new one"), default=False, editable=False)

    objects = RegistrationKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("registration key")
        verbose_name_plural = _("registration keys")
        constraints = [
            models.CheckConstraint(
                condition=Q(use_limit__isnull=True) | Q(uses__lte=F("use_limit")),
                name="registrationkey_uses_within_limit",
                violation_error_message=_("More devices than that have used the key already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lookup}-…" + (f" ({self.label})" if self.label else "")

    def get_absolute_url(self) -> str:
        return reverse("registration_key", args=[self.pk])

    @classmethod
    def issue(cls, organization: Organization, **details: Any) -> RegistrationKey:
        """Create a key for devices that are to land in `organization`; `details` as of `draw`."""
        key = cls.draw(organization, **details)
        key.save(force_insert=True)
        return key

    @classmethod
    def draw(
        cls,
        organization: Organization,
        *,
        by: User | None = None,
        label: str = "",
        expires_at: datetime | None = None,
        use_limit: int | None = None,
    ) -> RegistrationKey:
        """Return a new key that is not stored yet. Deriving its envelope key takes some 0.2 s: not in a transaction."""
        key = RegistrationKeyText.generate()
        while cls.objects.filter(lookup=key.lookup).exists():
            key = RegistrationKeyText.generate()
        return cls(
            customer=organization.customer,
            organization=organization,
            label=label,
            lookup=key.lookup,
            secret=key.secret,
            envelope_key_base64=base64.b64encode(key.derive()).decode("ascii"),
            created_by=by,
            expires_at=expires_at,
            use_limit=use_limit,
        )

    @property
    def envelope_key(self) -> bytes:
        """The 32 bytes that envelopes for this key are sealed with."""
        return base64.b64decode(self.envelope_key_base64)

    @property
    def text(self) -> str:
        """The whole key as Homer types it: a secret."""
        return f"{self.lookup}-{self.secret}"

    @property
    def masked(self) -> str:
        return f"{self.lookup}-{'•' * HALF_LENGTH}"

    @property
    def is_good(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())

    @property
    def line(self) -> int:
        """What all renewals of one key have in common: the primary key of the first."""
        return self.first_id or self.pk

    @property
    def is_used_up(self) -> bool:
        return self.use_limit is not None and self.uses >= self.use_limit

    @property
    def lets_in(self) -> bool:
        """Whether one more new device gets in with it; as `RegistrationKeyQuerySet.letting_in`."""
        return self.is_good and self.successor_id is None and not self.is_used_up

    def change(self, *, label: str, expires_at: datetime | None, use_limit: int | None) -> bool:
        """Give the key another label and other limits. Return False if it has been revoked or renewed meanwhile.

        Raises IntegrityError if more devices than `use_limit` have come in with it.
        """
        changes = {"label": label, "expires_at": expires_at, "use_limit": use_limit}
        alive = RegistrationKey.objects.filter(pk=self.pk, revoked_at__isnull=True, successor__isnull=True)
        return bool(alive.update(**changes))

    def revoke(self) -> None:
        """End the key at once. Devices that registered with it keep their channels and go on writing."""
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])
