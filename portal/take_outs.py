"""All of somebody's data in one file: asked for, made in the background, fetched by them alone, gone after a day."""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.models import Membership, User

KEPT = timedelta(days=1)
STUCK_AFTER = timedelta(minutes=15)
"""No step takes that long: whoever was at work has died."""
MOST_ATTEMPTS = 3


class TakeOutQuerySet(models.QuerySet["TakeOut"]):
    """Take-outs, narrowed."""

    def in_the_making(self) -> Self:
        return self.filter(state=TakeOut.State.PREPARING)

    def ready(self) -> Self:
        """Return those that can be fetched."""
        return self.filter(state=TakeOut.State.READY, ends_at__gt=timezone.now())


class TakeOut(models.Model):
    """One file, and how far it is made."""

    class State(models.TextChoices):
        PREPARING = "preparing", _("being made")
        READY = "ready", _("ready")
        FAILED = "failed", _("could not be made")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="take_outs", verbose_name=_("user")
    )
    state = models.CharField(_("state"), max_length=9, choices=State.choices, default=State.PREPARING)
    file = models.CharField(_("file"), max_length=80, editable=False)
    size = models.PositiveBigIntegerField(_("bytes"), default=0)
    requested_at = models.DateTimeField(_("asked for"), default=timezone.now)
    touched_at = models.DateTimeField(_("last step"), default=timezone.now)
    ends_at = models.DateTimeField(_("kept until"), null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=1)
    # How far it is: the devices whose history is in the file are those up to this primary key.
    up_to_device = models.BigIntegerField(default=0)
    devices_done = models.PositiveIntegerField(_("devices done"), default=0)
    devices_total = models.PositiveIntegerField(_("devices"), default=0)
    missing = models.JSONField(_("could not be fetched"), default=list)
    manages = models.JSONField(default=list, help_text=_("The organizations of which the person was a manager then."))

    objects = TakeOutQuerySet.as_manager()

    class Meta:
        verbose_name = _("take-out")
        verbose_name_plural = _("take-outs")
        ordering = ("-requested_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(state="preparing"), name="takeout_one_in_the_making_a_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def path(self) -> Path:
        return folder() / self.file

    @property
    def is_stuck(self) -> bool:
        return self.state == self.State.PREPARING and self.touched_at < timezone.now() - STUCK_AFTER

    @property
    def rights_stand(self) -> bool:
        """Whether the person still manages what they managed when the file was made."""
        return set(self.manages) <= set(managed_places(self.user))

    def keep_progress(self) -> None:
        """Save how far it is."""
        names = ("size", "touched_at", "up_to_device", "devices_done", "devices_total", "missing", "manages")
        self._change(**{name: getattr(self, name) for name in names})

    def hand_over(self) -> bool:
        """Let the person fetch the file from now on, for a while. Return False if nobody waits for this one."""
        self.state, self.ends_at = self.State.READY, timezone.now() + KEPT
        return self._change(state=self.state, ends_at=self.ends_at)

    def _change(self, **changes: object) -> bool:
        """Store `changes`; return False, without the file, if it has been begun anew or its person has gone since."""
        if TakeOut.objects.in_the_making().filter(pk=self.pk, file=self.file).update(**changes):
            return True
        self.path.unlink(missing_ok=True)
        return False

    def begin_anew(self) -> None:
        """Forget what is done; after the last attempt, give up. Saved."""
        self.path.unlink(missing_ok=True)
        self.state = self.State.PREPARING if self.attempts < MOST_ATTEMPTS else self.State.FAILED
        self.attempts += 1
        self.file, self.up_to_device, self.devices_done, self.missing = _new_name(), 0, 0, []
        self.touched_at = timezone.now()
        self.save()


def folder() -> Path:
    """Return where the files are, for the portal's own account alone."""
    there = Path(settings.TAKE_OUT_FOLDER)
    there.mkdir(parents=True, exist_ok=True)
    there.chmod(0o700)
    return there


def managed_places(user: User) -> list[int]:
    """Return the organizations in which the person is a manager now."""
    places = Membership.objects.current().filter(user=user, relation=Membership.Relation.MANAGER)
    return sorted(places.values_list("organization", flat=True))


@transaction.atomic
def ask_for(user: User) -> TakeOut:
    """Return the take-out that is being made for `user`; begin with one, in place of older ones, if there is none."""
    from portal.tasks import prepare_take_out

    User.objects.select_for_update().get(pk=user.pk)  # Two clicks at once ask for one.
    if known := TakeOut.objects.in_the_making().filter(user=user).first():
        return known
    forget(user)
    take_out = TakeOut.objects.create(user=user, file=_new_name(), manages=managed_places(user))
    transaction.on_commit(lambda: prepare_take_out.enqueue(take_out.pk))
    return take_out


def forget(user: User) -> None:
    """Delete all take-outs of a person, with their files when the running transaction ends."""
    theirs = TakeOut.objects.filter(user=user)
    for take_out in theirs:
        transaction.on_commit(partial(take_out.path.unlink, missing_ok=True))
    theirs.delete()


def _new_name() -> str:
    return f"{secrets.token_urlsafe(24)}.zip"
