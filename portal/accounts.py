"""How allauth is fitted to this project."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.base_user import AbstractBaseUser

from channels import vault
from orgs.models import User
from orgs.readers import as_read_by


class AccountAdapter(DefaultAccountAdapter):
    """Writes mails to people in their own language, whoever's click it is that sends them."""

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

    def encrypt(self, text: str) -> str:
        return vault.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return vault.decrypt(encrypted_text)
