"""Taking back that somebody's place was ended or moved."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from devices.places import move_place, restore_place
from orgs import access
from orgs.errors import OrganizationError
from orgs.forms_places import MovePlaceForm
from orgs.http import PersonRequest, button_on, note
from orgs.models import Membership, User
from orgs.paths import Paths
from orgs.undo import undone


@button_on("people")
def restore(request: PersonRequest) -> HttpResponse:
    """Undo `remove`: the same place, as it was."""
    what = undone(request)
    if what is None:
        messages.error(request, _("This can no longer be undone. Invite the person again instead."))
        return redirect("people")
    organization = get_object_or_404(access.managed_organizations(request.user), pk=what["organization"])
    membership = Membership(
        pk=what["pk"],
        organization=organization,
        user=get_object_or_404(User.objects.all(), pk=what["user"]),
        relation=what["relation"],
        valid_until=datetime.fromisoformat(what["valid_until"]) if what["valid_until"] else None,
        created_at=datetime.fromisoformat(what["created_at"]),
        created_by=User.objects.filter(pk=what["created_by"]).first(),
    )
    try:
        with transaction.atomic():
            restore_place(membership)
            note(request, "membership.restored", about=membership, organization=organization)
    except OrganizationError as error:
        messages.error(request, str(error))
    else:
        said = _("{who} is in {place} again. Read keys that had ended stay ended: new ones are made when asked for.")
        messages.success(request, said.format(who=membership.user, place=Paths.of(request).to(organization)))
    return redirect(organization)


@button_on("membership_move")
def move_back(request: PersonRequest, pk: int) -> HttpResponse:
    """Undo `move`, by the same rules, unless somebody has moved the person once more since."""
    places = access.managed_memberships(request.user).select_related("user", "organization")
    membership, what = get_object_or_404(places, pk=pk), undone(request)
    moved_to = membership.organization
    form = MovePlaceForm({"organization": what["back_to"]} if what else {}, membership=membership, user=request.user)
    if what is None or what["out_of"] != moved_to.pk or not form.is_valid():
        messages.error(request, _("This can no longer be undone. Move the person instead."))
        return redirect(moved_to)
    before = form.cleaned_data["organization"]
    try:
        with transaction.atomic():
            move_place(membership, to=before)
            note(
                request,
                "membership.moved",
                about=membership,
                organization=before,
                before=moved_to.name,
                before_number=moved_to.pk,
            )
    except OrganizationError as error:
        messages.error(request, str(error))
        return redirect(moved_to)
    said = _("{who} is in {place} again. Read keys that had ended stay ended: new ones are made when asked for.")
    messages.success(request, said.format(who=membership.user, place=Paths.of(request).to(before)))
    return redirect(before)
