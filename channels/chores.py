"""What is to be done again and again, and when next. Any number of workers may look; each time one of them does it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Chore(models.Model):
    """A thing to be done every so often."""

    name = models.CharField(_("name"), max_length=40, unique=True)
    next_at = models.DateTimeField(_("next"), null=True)

    class Meta:
        verbose_name = _("chore")
        verbose_name_plural = _("chores")

    def __str__(self) -> str:
        return self.name

    @classmethod
    def take(cls, name: str, *, every: timedelta, now: datetime) -> bool:
        """Whether it is due and nobody else has taken it; then it is due again after `every`."""
        cls.objects.get_or_create(name=name)
        due = cls.objects.filter(Q(next_at__isnull=True) | Q(next_at__lte=now), name=name)
        return bool(due.update(next_at=now + every))

    @classmethod
    def have_alone(cls, name: str) -> None:
        """Let the running transaction be the only one that does it."""
        cls.objects.get_or_create(name=name)
        list(cls.objects.select_for_update().filter(name=name))

    @classmethod
    def promise(cls, name: str, *, within: timedelta, now: datetime) -> None:
        """Say that it is done again within that time, by somebody who would say so again."""
        cls.objects.update_or_create(name=name, defaults={"next_at": now + within})

    @classmethod
    def overdue(cls, name: str, *, now: datetime) -> timedelta | None:
        """Return for how long it has not been done as promised: None if all is well, no time if it never was."""
        until = cls.objects.filter(name=name).values_list("next_at", flat=True).first()
        if until is None:
            return timedelta(0)
        return None if until > now else now - until
