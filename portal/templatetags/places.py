"""Organizations as a list names them."""

from __future__ import annotations

from typing import Any

from django import template

from orgs.models import Membership, Organization
from orgs.paths import Paths

register = template.Library()


@register.simple_tag(takes_context=True)
def path_to(context: dict[str, Any], organization: Organization) -> str:
    """Return what an organization is called in a list, by which its reader can tell it from others of its name."""
    return Paths.of(context["request"]).to(organization)


@register.simple_tag(takes_context=True)
def house_of(context: dict[str, Any], organization: Organization) -> str:
    """Return what an organization is in, as on an envelope: the house before the estate, in case there is no room."""
    return ", ".join(reversed(Paths.of(context["request"]).steps_to(organization)[:-1]))


@register.simple_tag(takes_context=True)
def role_in(context: dict[str, Any], membership: Membership) -> str:
    """Return a place in words, with the path to it: "member of Elm Street 12 › Flat 3"."""
    return membership.role_in(path_to(context, membership.organization))
