"""The path to a page of one's own account, which allauth's pages have no view of ours to work out for."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orgs.http import Breadcrumb

register = template.Library()

_PAGES: dict[str, tuple[str | Promise, str]] = {
    "my_account": (_("My account"), ""),
    "account_email": (_("E-mail address"), "my_account"),
    "account_change_password": (_("Change password"), "my_account"),
    "account_set_password": (_("Set a password"), "my_account"),
    "log_ins": (_("Log-ins"), "my_account"),
    "shown_to_me": (_("Keys shown to me"), "my_account"),
    "my_data": (_("My data"), "my_account"),
    "account_close": (_("Close my account"), "my_data"),
    "mfa_index": (_("Second factor"), "my_account"),
    "mfa_activate_totp": (_("Set up the app"), "mfa_index"),
    "mfa_deactivate_totp": (_("Remove the authenticator app?"), "mfa_index"),
    "mfa_view_recovery_codes": (_("Recovery codes"), "mfa_index"),
    "mfa_generate_recovery_codes": (_("Make new recovery codes?"), "mfa_index"),
    "mfa_list_webauthn": (_("Passkeys and security keys"), "mfa_index"),
    "mfa_add_webauthn": (_("Add a passkey or security key"), "mfa_list_webauthn"),
    "mfa_edit_webauthn": (_("Rename"), "mfa_list_webauthn"),
    "mfa_remove_webauthn": (_("Remove this key?"), "mfa_list_webauthn"),
}
"""By the name of its address: what a page is called, and the page that it lies below."""


@register.simple_tag(takes_context=True)
def account_path(context: dict[str, Any]) -> list[Breadcrumb]:
    """Return the path to the page that is shown, as `_breadcrumbs.html` wants it."""
    match = getattr(context.get("request"), "resolver_match", None)
    name = match.url_name if match else ""
    path: list[Breadcrumb] = []
    while name in _PAGES:
        label, above = _PAGES[name]
        # Only the page itself, which needs no address, can have arguments.
        path.insert(0, {"label": str(label), "url": reverse(name)} if path else {"label": str(label)})
        name = above
    return path
