"""How allauth is fitted to this project."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext_lazy as _

from channels import vault
from orgs.models import User
from orgs.readers import as_read_by
from portal.browsers import name_of
from portal.log_ins import has_just_logged_in

_WRONG_CODE = _("This code is not right. It may have changed just now: type in the one that is shown at this moment.")


class AccountAdapter(DefaultAccountAdapter):
    """Writes mails to people in their own language, whoever's click it is that sends them."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _(
            "The e-mail address or the password is not right. “Show” lets you read what you type."
        ),
        "incorrect_password": _("This password is not right. “Show” lets you read what you type."),
        "too_many_login_attempts": _("Too many tries. Please wait five minutes, then try again."),
        "incorrect_code": _WRONG_CODE,
    }

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask nobody again who has just logged in: to allauth only the answer to such a question counts."""
        asks: bool = super().is_reauthentication_required(app=app, **kwargs)
        return asks and not has_just_logged_in(context.request)

    def format_email_subject(self, subject: str) -> str:
        return subject

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        reader = context.get("user") or User.objects.filter(email__iexact=email).first()
        with as_read_by(reader):
            super().send_mail(template_prefix, email, context)

    def send_notification_mail(self, template_prefix: str, user: AbstractBaseUser, *args: Any, **kwargs: Any) -> None:
        with as_read_by(
            user if isinstance(user, User) else None
        ):  # Also where it goes to an address that has just stopped being theirs.
            super().send_notification_mail(template_prefix, user, *args, **kwargs)


class SecondFactors(DefaultMFAAdapter):
    """Keeps the secrets of second factors as all secrets are kept: encrypted."""

    error_messages = DefaultMFAAdapter.error_messages | {"incorrect_code": _WRONG_CODE}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        """Propose what a passkey is called: as the browser that it is made in, numbered where there is one already."""
        name = name_of(context.request.headers.get("User-Agent", ""))
        same = Authenticator.objects.filter(user_id=user.pk, type=type, data__name__startswith=name).count()
        return f"{name} {same + 1}" if same else name

    def encrypt(self, text: str) -> str:
        return vault.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return vault.decrypt(encrypted_text)
