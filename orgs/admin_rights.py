"""Groups of operators and their rights. Only superusers change them: others could give all rights to themselves."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangosGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from orgs.models import User
from orgs.operator_links import Neighbour, list_of
from orgs.operators import OperatorAdmin, operator

admin.site.unregister(Group)


@admin.register(Group)
class RightsAdmin(OperatorAdmin[Group], DjangosGroupAdmin):
    """What the operators in a group may do."""

    search_help_text = _("Name of the group.")

    def neighbours(self, obj: Group) -> list[Neighbour]:
        return [list_of(User, _("Who is in it"), groups__id__exact=obj.pk), *super().neighbours(obj)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return operator(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return operator(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return operator(request).is_superuser
