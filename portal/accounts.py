"""How allauth is fitted to this project."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter

from channels import vault


class AccountAdapter(DefaultAccountAdapter):
    """Nothing but the product's name in the subject of mails is ours so far."""

    def format_email_subject(self, subject: str) -> str:
        return subject


class SecondFactors(DefaultMFAAdapter):
    """Keeps the secrets of second factors as all secrets are kept: encrypted."""

    def encrypt(self, text: str) -> str:
        return vault.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return vault.decrypt(encrypted_text)
