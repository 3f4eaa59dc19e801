"""What is not there for somebody since an operator has suspended a customer of theirs."""

from __future__ import annotations

from django import template
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError

from orgs import access
from orgs.models import Organization, User

register = template.Library()


@register.simple_tag
def suspended_customers(user: User | AnonymousUser) -> list[Organization]:
    """Return the suspended customers that `user` has a place in; none if the database does not answer.

    A page that says what is wrong must not fail of the same cause.
    """
    try:
        return list(access.suspended_customers_of(user))
    except DatabaseError:
        return []
