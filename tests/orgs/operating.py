"""How the administration's tests send what operators send."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from orgs.models import Organization

NO_INLINES = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}


def url(name: str, *args: object) -> str:
    return reverse(f"admin:orgs_{name}", args=args)


def change(client: Client, organization: Organization, **fields: object) -> Any:
    data = {"name": organization.name, "description": "", "parent": organization.parent_id or "", **fields}
    return client.post(url("organization_change", organization.pk), data | NO_INLINES)


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def act(client: Client, model: str, action: str, *things: Any, **data: str) -> Any:
    chosen = {"action": action, "_selected_action": [thing.pk for thing in things]}
    return client.post(url(f"{model}_changelist"), chosen | data)
