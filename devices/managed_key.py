"""A registration key as the pages of its managers need it."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _

from devices.models import RegistrationKey
from orgs.http import PersonRequest

UNREADABLE = _("This key cannot be decrypted at the moment. The operator of the portal has to look.")


def managed_key(request: PersonRequest, pk: int) -> RegistrationKey:
    """Return a registration key of an organization that the person manages, or answer 404.

    It is decrypted when it is shown: the pages of one that cannot be decrypted are there all the same.
    """
    keys = RegistrationKey.objects.managed_by(request.user).select_related("organization", "created_by", "successor")
    secrets = [f"{of}{name}" for of in ("", "successor__") for name in RegistrationKey.SECRETS]
    return get_object_or_404(keys.defer(*secrets), pk=pk)
