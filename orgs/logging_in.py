"""Who is logged in: allauth's way, and what every page must know about the person comes along."""

from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend

from orgs import access
from orgs.models import User

BACKEND = "orgs.logging_in.Backend"
"""The name of the only one, as sessions keep it."""


class Backend(AuthenticationBackend):
    """Reads the person of a session and `manages` in one query, so that no page needs another for its navigation."""

    def get_user(self, user_id: int) -> User | None:
        user = access.with_whether_they_manage(User.objects.filter(pk=user_id)).first()
        return user if self.user_can_authenticate(user) else None
