"""Pages on which somebody's place in an organization is changed, moved or ended."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from devices.places import Loss, change_place, loss_without, move_place, remove_place
from orgs import access, people
from orgs.errors import AlreadyThere, CannotMove, ChangedMeanwhile, LastManager
from orgs.forms_places import EndPlaceForm, MovePlaceForm, PlaceForm
from orgs.http import Breadcrumb, PersonRequest, breadcrumbs, note, posted
from orgs.models import Membership, Organization
from orgs.paths import Paths
from orgs.undo import offer_undo


def _managed(request: PersonRequest, pk: int) -> Membership:
    places = access.managed_memberships(request.user).select_related("user", "organization")
    return get_object_or_404(places, pk=pk)


def _path(request: PersonRequest, membership: Membership, page: str) -> list[Breadcrumb]:
    person: Breadcrumb = {"label": str(membership.user), "url": reverse("person", args=[membership.user_id])}
    return breadcrumbs(request.user, membership.organization, person, page)


def _back(request: PersonRequest, organization: Organization) -> HttpResponse:
    """Go where this person may still go: who has just demoted or removed themselves sees less than before."""
    return redirect(organization) if access.may_see(request.user, organization) else redirect("dashboard")


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    """Make somebody a member or a manager, for good or until a day."""
    membership = _managed(request, pk)
    form = PlaceForm(posted(request), membership=membership, user=request.user)
    resting = access.invitations_resting_on(membership).count()
    if form.is_valid():
        before = {"before": membership.relation, "until_before": membership.valid_until}
        try:
            with transaction.atomic():
                change_place(membership, **form.values)
                _note(request, "membership.changed", membership, relation=membership.relation, **before)
        except LastManager as error:
            stays_manager = form.values["relation"] == Membership.Relation.MANAGER
            form.add_error("valid_until" if stays_manager else "relation", str(error))
        except ChangedMeanwhile as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The place of {who} is changed.").format(who=membership.user))
            if membership.relation != Membership.Relation.MANAGER:
                _say_on_hold(request, membership, resting)
            return _back(request, membership.organization)
    return _page(request, "devices/place_edit.html", membership, form, _("Change"), resting=resting)


@require_http_methods(["GET", "HEAD", "POST"])
def move(request: PersonRequest, pk: int) -> HttpResponse:
    """Put somebody into another organization of the same customer."""
    membership = _managed(request, pk)
    form = MovePlaceForm(posted(request), membership=membership, user=request.user)
    if form.is_valid():
        before, target = membership.organization, form.values["organization"]
        resting = access.invitations_resting_on(membership, but_with=target).count()
        try:
            with transaction.atomic():
                move_place(membership, to=target)
                _note(request, "membership.moved", membership, before=before.name, before_number=before.pk)
        except (AlreadyThere, CannotMove, LastManager) as error:
            form.add_error("organization", str(error))
        except ChangedMeanwhile as error:
            form.add_error(None, str(error))
        else:
            said = _("{who} is now in {place}, and sees what is there and below.")
            said = said.format(who=membership.user, place=Paths.of(request).to(target))
            if access.may_manage(request.user, target) and access.may_manage(request.user, before):
                address = reverse("membership_move_back", args=[membership.pk])
                offer_undo(request, said, address=address, back_to=before.pk, out_of=target.pk)
            else:  # It was their own place.
                messages.success(request, said)
            _say_on_hold(request, membership, resting)
            return _back(request, target)
    resting = access.invitations_resting_on(membership).count()
    return _page(request, "devices/place_move.html", membership, form, _("Move"), resting=resting)


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: PersonRequest, pk: int) -> HttpResponse:
    """End somebody's place, after saying what they lose by it."""
    membership = _managed(request, pk)
    form = EndPlaceForm(posted(request), membership=membership)
    if refusal := people.why_needed(membership):
        return _page(request, "devices/place_needed.html", membership, form, _("Remove"), refusal=refusal)
    loss = loss_without(membership)
    is_me = membership.user_id == request.user.pk
    if form.is_valid():
        place = Paths.of(request).to(membership.organization)  # before: it may be their own way to it that ends
        if _end(request, membership, form, "membership.ended"):
            said = _left(place) if is_me else _said(membership, place, loss)
            if access.may_manage(request.user, membership.organization):
                offer_undo(request, said, address=reverse("membership_restore"), **_as_plain(membership))
            else:  # It was their own place, by which they could have undone it.
                messages.success(request, said)
            _say_on_hold(request, membership, loss.invitations)
            return _back(request, membership.organization)
    consequences = _own_consequences(membership, loss) if is_me else _consequences(membership, loss)
    return _page(request, "devices/place_remove.html", membership, form, _("Remove"), consequences=consequences)


@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: PersonRequest, pk: int) -> HttpResponse:
    """Give up a place of one's own."""
    own = access.own_memberships(request.user).select_related("user", "organization")
    membership = get_object_or_404(own, pk=pk)
    form = EndPlaceForm(posted(request), membership=membership)
    context: dict[str, Any] = {"membership": membership, "form": form, "is_me": True}
    context["breadcrumbs"] = breadcrumbs(request.user, membership.organization, _("Leave"))
    if refusal := people.why_needed(membership):
        return render(request, "devices/place_needed.html", context | {"refusal": refusal})
    if form.is_valid():
        place = Paths.of(request).to(membership.organization)  # before: they may not know the way to it any more
        if _end(request, membership, form, "membership.left"):
            messages.success(request, _left(place))
            return redirect("dashboard")
    context["consequences"] = _own_consequences(membership, loss_without(membership))
    return render(request, "devices/place_leave.html", context)


def _end(request: PersonRequest, membership: Membership, form: EndPlaceForm, action: str) -> bool:
    """End the place, or say on the form why not."""
    try:
        with transaction.atomic():
            _note(request, action, membership, relation=membership.relation)
            remove_place(membership)
    except (LastManager, ChangedMeanwhile) as error:
        form.add_error(None, str(error))
        return False
    return True


def _note(request: PersonRequest, action: str, membership: Membership, **details: Any) -> None:
    note(request, action, about=membership, organization=membership.organization, **details)


def _as_plain(membership: Membership) -> dict[str, str | int | None]:
    until = membership.valid_until
    return {
        "pk": membership.pk,
        "user": membership.user_id,
        "organization": membership.organization_id,
        "relation": membership.relation,
        "valid_until": until.isoformat() if until else None,
        "created_at": membership.created_at.isoformat(),
        "created_by": membership.created_by_id,
    }


def _page(
    request: PersonRequest, template: str, membership: Membership, form: Any, page: str, **more: Any
) -> HttpResponse:
    context = {
        "membership": membership,
        "form": form,
        "is_me": membership.user_id == request.user.pk,
        "breadcrumbs": _path(request, membership, page),
        **more,
    }
    return render(request, template, context)


def _left(place: str) -> str:
    return _("You have left {place}.").format(place=place)


def _said(membership: Membership, place: str, loss: Loss) -> str:
    names = {"who": str(membership.user), "place": place}
    if not loss.read_keys:
        return _("{who} is no longer in {place}.").format(**names)
    return ngettext(
        "{who} is no longer in {place}, and {count} read key has ended.",
        "{who} is no longer in {place}, and {count} read keys have ended.",
        loss.read_keys,
    ).format(count=loss.read_keys, **names)


def _say_on_hold(request: PersonRequest, membership: Membership, invitations: int) -> None:
    if not invitations:
        return
    said = ngettext(
        "{count} invitation that {who} has sent is on hold: send it again, or withdraw it.",
        "{count} invitations that {who} has sent are on hold: send them again, or withdraw them.",
        invitations,
    )
    messages.warning(request, said.format(count=invitations, who=membership.user))


def _consequences(membership: Membership, loss: Loss) -> list[str]:
    names = {"who": str(membership.user), "place": membership.organization.name}
    told = []
    if membership.relation == Membership.Relation.MANAGER:
        told.append(_("{who} no longer manages {place} and what is below it.").format(**names))
    if loss.devices:
        said = ngettext(
            "{who} will no longer see {count} device.", "{who} will no longer see {count} devices.", loss.devices
        )
        told.append(said.format(count=loss.devices, **names))
    else:
        told.append(_("{who} loses sight of no device by this.").format(**names))
    if loss.read_keys:
        said = ngettext(
            "The read key that {who} has to it ends at once.",
            "The {count} read keys that {who} has to them end at once.",
            loss.read_keys,
        )
        told.append(said.format(count=loss.read_keys, **names))
    if loss.known_keys:
        said = ngettext(
            "{who} has seen {count} read key that others use, too. It cannot be ended from here: "
            "you are told afterwards how to replace it.",
            "{who} has seen {count} read keys that others use, too. They cannot be ended from here: "
            "you are told afterwards how to replace them.",
            loss.known_keys,
        )
        told.append(said.format(count=loss.known_keys, **names))
    if loss.invitations:
        said = ngettext(
            "{count} invitation that {who} has sent is on hold until another manager sends it again.",
            "{count} invitations that {who} has sent are on hold until another manager sends them again.",
            loss.invitations,
        )
        told.append(said.format(count=loss.invitations, **names))
    told.append(_("The account of {who} stays, and other places with it. Nobody is sent a mail.").format(**names))
    return told


def _own_consequences(membership: Membership, loss: Loss) -> list[str]:
    told = []
    if membership.relation == Membership.Relation.MANAGER:
        told.append(_("You no longer manage {place} and what is below it.").format(place=membership.organization.name))
    if loss.devices:
        said = ngettext(
            "You will no longer see {count} device.", "You will no longer see {count} devices.", loss.devices
        )
        told.append(said.format(count=loss.devices))
    if loss.read_keys:
        said = ngettext(
            "Your read key to it ends at once, also in programs that use it.",
            "Your {count} read keys to them end at once, also in programs that use them.",
            loss.read_keys,
        )
        told.append(said.format(count=loss.read_keys))
    if loss.invitations:
        said = ngettext(
            "{count} invitation that you have sent is on hold until another manager sends it again.",
            "{count} invitations that you have sent are on hold until another manager sends them again.",
            loss.invitations,
        )
        told.append(said.format(count=loss.invitations))
    told.append(_("Your account stays. To come back you need a new invitation."))
    return told
