"""The page of a customer's account on the channel platform: for managers of the customer alone."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from channels import account_key
from channels.account_key import AnotherAccount
from channels.forms import AccountKeyForm
from channels.models import PlatformAccount
from channels.platforms import Allowance, BadAccountKey, OutOfReach, PlatformError
from orgs import access, audit
from orgs.alone import alone_with
from orgs.http import PersonRequest, breadcrumbs, posted

FREE_CHANNELS = 4
"""How many channels ThingSpeak's free licence allows. Of others the portal knows nothing: no API tells it."""


def _managed(request: PersonRequest, pk: int) -> PlatformAccount:
    # By the organization's own key: a number of thirty digits as a foreign key is an error to SQLite.
    customer = access.managed_organizations(request.user).filter(pk=pk)
    return get_object_or_404(PlatformAccount.objects.select_related("organization"), organization__in=customer)


def _context(request: PersonRequest, account: PlatformAccount, **more: Any) -> dict[str, Any]:
    return {
        "account": account,
        "may_renew": account.on_platform.can_renew_account_keys,
        "api_url": settings.PUBLIC_URL if account.platform == "embedded" else settings.THINGSPEAK_URL,
        "channels": account.channels.count(),
        "allowance": _allowance(account),
        "free_channels": FREE_CHANNELS if account.platform == "thingspeak" else None,
        "form": _form(account),
        "history": account_key.history_of(account),
        "breadcrumbs": breadcrumbs(request.user, account.organization, _("Platform account")),
        **more,
    }


def _allowance(account: PlatformAccount) -> Allowance | None:
    """Return what is left of the account's limits, None if its platform has none or tells nobody."""
    return account.on_platform.allowances([account.key]).get(account.key)


def _form(account: PlatformAccount, data: QueryDict | None = None) -> AccountKeyForm:
    return AccountKeyForm(data, is_thingspeak=account.platform == "thingspeak")


@require_safe
def account(request: PersonRequest, pk: int) -> HttpResponse:
    """Where the customer's channels live, and the key that manages them, masked."""
    return render(request, "channels/account.html", _context(request, _managed(request, pk)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show_key(request: PersonRequest, pk: int) -> HttpResponse:
    """The same with the key in clear; the audit remembers it."""
    found = _managed(request, pk)
    if request.method != "POST":
        return redirect("platform_account", pk)
    audit.record(
        "platform_account.shown",
        by=request.user,
        organization=found.organization,
        about=found,
        address=audit.address_of(request),
    )
    template = "channels/_account_key.html" if request.htmx else "channels/account.html"
    return render(request, template, _context(request, found, shown=found.key))


@require_http_methods(["GET", "HEAD", "POST"])
def renew_key(request: PersonRequest, pk: int) -> HttpResponse:
    """Renew the key where the platform can, after a question; elsewhere take the one that was renewed by hand."""
    found = _managed(request, pk)
    if not found.on_platform.can_renew_account_keys:
        return _enter(request, found)
    # The platform that can is in this process: no other one is waited for while the row is locked. Without the lock
    # the second of two clicks would come with the key that the first has just ended, and the account seem refused.
    with alone_with(request, lambda: _managed(request, pk)) as found:
        return _renew(request, found)


@require_http_methods(["GET", "HEAD", "POST"])
def enter_key(request: PersonRequest, pk: int) -> HttpResponse:
    """Take the key that the account has by now, renewed on the platform's pages or by a program."""
    return _enter(request, _managed(request, pk))


def _enter(request: PersonRequest, found: PlatformAccount) -> HttpResponse:
    form = _form(found, posted(request))
    if form.is_valid() and _entered(request, found, form):
        messages.success(request, _("The new account key is stored. Your devices notice nothing of it."))
        return redirect("platform_account", found.organization_id)
    return render(request, "channels/account.html", _context(request, found, form=form))


def _renew(request: PersonRequest, found: PlatformAccount) -> HttpResponse:
    if request.method == "POST":
        try:
            account_key.renew(found, by=request.user, address=audit.address_of(request))
        except BadAccountKey:
            found.record_check(PlatformAccount.State.REFUSED)
            said = _("The key that is stored here is not good any more, so it renews nothing. Enter the one that is.")
            messages.error(request, said)
        else:
            messages.success(request, _("The account has a new key. Scripts that use the old one need the new one."))
        return redirect("platform_account", found.organization_id)
    consequences = [
        _("Scripts and tools that manage channels with the old key are refused at once."),
        _("Your devices and the people who look at charts notice nothing: they have keys of their own."),
    ]
    return render(request, "channels/renew_account_key.html", _context(request, found, consequences=consequences))


def _entered(request: PersonRequest, found: PlatformAccount, form: AccountKeyForm) -> bool:
    """Store the key of the form; if it cannot be, say why on its field."""
    try:
        account_key.enter(found, form.cleaned_data["key"], by=request.user, address=audit.address_of(request))
    except BadAccountKey:
        form.add_error("key", _unknown_key(found))
    except AnotherAccount as refusal:
        form.add_error("key", str(refusal))
    except OutOfReach:
        form.add_error(
            "key", _("The channel platform is out of reach at the moment. Nothing has been changed; try again later.")
        )
    except PlatformError:
        said = _("The channel platform gave an answer that makes no sense. Nothing has been changed; try again later.")
        form.add_error("key", said)
    return form.is_valid()


def _unknown_key(account: PlatformAccount) -> str:
    if account.platform == "thingspeak":
        return _("ThingSpeak does not know this key. Copy it from My Profile on thingspeak.com.")
    return _("The platform does not know this key.")
