"""Where somebody is logged in: a row for each session, so that a person can look at them and end one."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self

from allauth.account.signals import password_changed, password_reset, password_set
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.audit import address_of
from orgs.models import User

SEEN_EVERY = timedelta(minutes=5)
"""How exact "last seen" is: a write for each page would cost more than the page."""
_STATE = "log_in"


class LogInQuerySet(models.QuerySet["LogIn"]):
    """Log-ins, narrowed."""

    def good(self) -> Self:
        """Return those whose time has not run out."""
        return self.filter(session__expire_date__gt=timezone.now())

    def end(self) -> int:
        """Log out there: the next click asks for the password. Return how many those were."""
        keys = list(self.values_list("session_id", flat=True))
        Session.objects.filter(pk__in=keys).delete()  # Takes the log-in along.
        return len(keys)


class LogIn(models.Model):
    """A session with a person behind it, and the browser that it was last seen in. Goes when the session goes."""

    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="log_in", verbose_name=_("session"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="log_ins", verbose_name=_("user")
    )
    since = models.DateTimeField(_("since"), default=timezone.now)
    seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    address = models.GenericIPAddressField(_("from where"), null=True)
    user_agent = models.CharField(_("browser"), max_length=300, blank=True)

    objects = LogInQuerySet.as_manager()

    class Meta:
        verbose_name = _("log-in")
        verbose_name_plural = _("log-ins")
        ordering = ("-seen_at", "-pk")

    def __str__(self) -> str:
        return f"{self.user} – {self.address}"


def note_seen(request: HttpRequest) -> None:
    """Remember that a session of the person of this request was just used, if that was not remembered lately.

    A session changes its key at a log-in and at a change of the password; the log-in is then written anew.
    """
    state = request.session.get(_STATE, {})
    lately = time.time() - state.get("seen", 0) < SEEN_EVERY.total_seconds()
    if not lately or state.get("key") != request.session.session_key:
        _write(request, since=state.get("since"))


def has_just_logged_in(request: HttpRequest) -> bool:
    """Whether the person of this request has shown in this session, a few minutes ago at most, who they are."""
    since: float = request.session.get(_STATE, {}).get("since", 0)
    return time.time() - since < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def _write(request: HttpRequest, *, since: float | None) -> None:
    if not request.session.session_key:
        request.session.save()
    now = timezone.now()
    began = since or now.timestamp()
    request.session[_STATE] = {"key": request.session.session_key, "since": began, "seen": now.timestamp()}
    seen = {
        "user": request.user,
        "since": now.fromtimestamp(began, tz=now.tzinfo),
        "seen_at": now,
        "address": address_of(request),
        "user_agent": request.META.get("HTTP_USER_AGENT", "")[:300],
    }
    # IntegrityError: the session has been ended this moment, from elsewhere.
    with suppress(IntegrityError), transaction.atomic():
        LogIn.objects.update_or_create(session_id=request.session.session_key, defaults=seen)


def _on_log_in(request: HttpRequest, user: User, **_more: Any) -> None:
    request.user = user
    _write(request, since=None)


def _on_new_password(request: HttpRequest, user: User, **_more: Any) -> None:
    # They would be refused at their next click anyway; so the list does not show them until then.
    LogIn.objects.filter(user=user).exclude(session=request.session.session_key).end()


def connect() -> None:
    """Follow what Django and allauth tell of log-ins and passwords."""
    user_logged_in.connect(_on_log_in, dispatch_uid="portal.log_ins")
    for signal in (password_changed, password_set, password_reset):
        signal.connect(_on_new_password, dispatch_uid="portal.log_ins")
