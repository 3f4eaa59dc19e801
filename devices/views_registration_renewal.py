"""Renewing, ending and revoking a registration key, for its managers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from channels.errors import CannotRenew
from devices import renewal
from devices.forms_keys import RenewRegistrationKeyForm, RevokeRegistrationKeyForm
from devices.managed_key import managed_key
from devices.matters import quoted
from devices.models import Device, RegistrationKey
from devices.registration_key_story import moving_of
from devices.spans import day_and_time
from orgs import audit
from orgs.http import PersonRequest, breadcrumbs, posted

DEVICES_A_PAGE = 25
NAMED = 5


def left_behind(request: PersonRequest, key: RegistrationKey) -> Page[Device]:
    """Return one page of the devices that have not moved from `key` yet, those that asked last first."""
    devices = renewal.progress(key).left_behind.select_related("contact", "organization")
    devices = devices.order_by(F("contact__asked_at").desc(nulls_last=True), "pk")
    return Paginator(devices, DEVICES_A_PAGE).get_page(request.GET.get("page"))


@require_http_methods(["GET", "HEAD", "POST"])
def renew(request: PersonRequest, pk: int) -> HttpResponse:
    """Issue the successor of a key, after asking when the old one shall end."""
    key = managed_key(request, pk)
    form = RenewRegistrationKeyForm(posted(request))
    if form.is_valid():
        try:
            successor = renewal.renew(key, by=request.user, until=form.until, address=audit.address_of(request))
        except CannotRenew as refusal:
            form.add_error(None, str(refusal))
        else:
            said = _("{new} takes the place of {old}. Devices fetch it by themselves; set it into new ones.")
            messages.success(request, said.format(new=successor, old=key))
            return redirect(successor)
    path = breadcrumbs(request.user, key.organization, key, _("Renew"))
    return render(request, "devices/renew_registration_key.html", {"form": form, "key": key, "breadcrumbs": path})


@require_http_methods(["GET", "HEAD", "POST"])
def end(request: PersonRequest, pk: int) -> HttpResponse:
    """End a key that has been renewed, after saying whom that locks out."""
    key = managed_key(request, pk)
    moving = moving_of(key) if key.successor_id else None
    if moving is None:
        messages.info(request, _("This key has no successor that devices could move to, or it has ended already."))
        return redirect(key)
    if request.method == "POST":
        renewal.end(key, by=request.user, address=audit.address_of(request))
        messages.success(request, _("{key} has ended.").format(key=key))
        return redirect(key.successor or key)
    context = {
        "heading": _("End {key} now?").format(key=key),
        "submit": _("End {key}").format(key=key),
        "submit_icon": "hourglass-bottom",
        "consequences": _what_ending_means(key, moving.left_behind),
        "cancel_url": key.get_absolute_url(),
        "breadcrumbs": breadcrumbs(request.user, key.organization, key, _("End")),
    }
    return render(request, "devices/confirm_step.html", context)


def _what_ending_means(key: RegistrationKey, behind: int) -> list[str]:
    if not behind:
        return [
            _("All devices have the new key and notice nothing."),
            _("Whoever else knows the old one gets nothing with it any more."),
        ]
    some = renewal.progress(key).left_behind.order_by(*Device.BY_NAME)[:NAMED]
    names = quoted(some)
    more = behind - NAMED
    if more > 0:
        names = ngettext("{names} and {count} more", "{names} and {count} more", more).format(names=names, count=more)
    locked_out = ngettext(
        "{count} device has not fetched the new key yet: {names}.",
        "{count} devices have not fetched the new key yet: {names}.",
        behind,
    )
    return [
        locked_out.format(count=behind, names=names),
        _("They go on measuring, but get no new write key until somebody sets the new registration key into them."),
        _("This cannot be undone."),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: PersonRequest, pk: int) -> HttpResponse:
    """End a registration key at once, in an emergency, after a question."""
    key = managed_key(request, pk)
    has_successors = key.successor_id is not None
    form = RevokeRegistrationKeyForm(posted(request), initial={"with_successors": True})
    if request.method == "POST" and form.is_valid():
        count = renewal.revoke(
            key,
            by=request.user,
            address=audit.address_of(request),
            with_successors=has_successors and form.cleaned_data["with_successors"],
        )
        said = ngettext("{key} gives nothing to any device any more.", "{count} keys, {key} among them, give nothing "
                        "to any device any more.", max(1, count))  # fmt: skip
        messages.success(request, said.format(key=key, count=count))
        return redirect(key.organization)
    context: dict[str, Any] = {
        "key": key,
        "form": form if has_successors and key.revoked_at is None else None,
        "consequences": _what_revoking_means(key),
        "breadcrumbs": breadcrumbs(request.user, key.organization, key, _("Revoke")),
    }
    return render(request, "devices/revoke_registration_key.html", context)


def _what_revoking_means(key: RegistrationKey) -> list[str]:
    told = [_("No device gets anything with this key, from the next request on.")]
    devices = Device.objects.that_use(key.pk).count()
    if devices:
        told.append(
            ngettext(
                "{count} device uses it. It goes on measuring with the write key that it has, but cannot fetch another "
                "one: set another registration key into it before that is needed.",
                "{count} devices use it. They go on measuring with the write keys that they have, but cannot fetch "
                "others: set another registration key into them before that is needed.",
                devices,
            ).format(count=devices)
        )
    if key.successor_id is None and key.is_good:
        told.append(_("If nobody unwanted knows it, renew it instead: the devices then fetch the new one themselves."))
    if key.expires_at and key.is_good:
        told.append(_("It would end by itself on {until}.").format(until=day_and_time(key.expires_at)))
    told.append(_("This cannot be undone. You can make a new key at any time."))
    return told
