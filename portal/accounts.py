"""How allauth is fitted to this project."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter


class AccountAdapter(DefaultAccountAdapter):
    """Nothing but the product's name in the subject of mails is ours so far."""

    def format_email_subject(self, subject: str) -> str:
        return subject
