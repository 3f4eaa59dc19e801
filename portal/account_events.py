"""What people change about their ways to log in is audited, as all else: allauth tells of it by signals."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, password_changed, password_reset, password_set
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.http import HttpRequest

from orgs import audit
from orgs.models import User


def _note(action: str, request: HttpRequest, user: User, **details: str) -> None:
    address = audit.address_of(request)
    audit.record(action, by=user, about=user, organization=None, address=address, **details)


def _password(request: HttpRequest, user: User, **_more: Any) -> None:
    _note("account.new_password", request, user)


def _reset(request: HttpRequest, user: User, **_more: Any) -> None:
    _note("account.password_reset", request, user)


def _address(request: HttpRequest, user: User, from_email_address: EmailAddress | None, **_more: Any) -> None:
    _note("account.new_address", request, user, before=from_email_address.email if from_email_address else "")


def _factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_more: Any) -> None:
    _note("account.second_factor_added", request, user, factor=authenticator.type)


def _factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **_more: Any) -> None:
    _note("account.second_factor_removed", request, user, factor=authenticator.type)


def _factor_reset(request: HttpRequest, user: User, authenticator: Authenticator, **_more: Any) -> None:
    _note("account.second_factor_renewed", request, user, factor=authenticator.type)


LISTENERS = (
    (password_changed, _password),
    (password_set, _password),
    (password_reset, _reset),
    (email_changed, _address),
    (authenticator_added, _factor_added),
    (authenticator_removed, _factor_removed),
    (authenticator_reset, _factor_reset),
)


def connect() -> None:
    """Listen."""
    for signal, listener in LISTENERS:
        signal.connect(listener, dispatch_uid=f"portal.account_events.{listener.__name__}")
