"""Who has been shown a key that is not their own, where a platform has only shared ones."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.models import User


class ShownKeyQuerySet(models.QuerySet["ShownKey"]):
    """Showings, narrowed."""

    def of_good_keys(self) -> Self:
        """Return those of keys that still read."""
        return self.filter(key__state__in=("current", "retiring"))


class ShownKey(models.Model):
    """Somebody has seen a key, and may have written it down. Outlives their account: they still know it."""

    key = models.ForeignKey(
        "channels.ChannelKey", on_delete=models.CASCADE, related_name="showings", verbose_name=_("key")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("person")
    )
    name = models.CharField(_("name"), max_length=254)
    at = models.DateTimeField(_("last shown"))

    objects = ShownKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("showing of a key")
        verbose_name_plural = _("showings of keys")
        constraints = [
            models.UniqueConstraint(fields=["key", "user"], name="shownkey_one_a_key_and_person"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.key}"


def note_shown(key: int, *, to: User, at: datetime | None = None) -> None:
    """Remember that `to` has been shown the key with this primary key. Before it is shown, so that none is missed."""
    ShownKey.objects.update_or_create(key_id=key, user=to, defaults={"at": at or timezone.now(), "name": to.email})
