"""Moving and deleting organizations: both are asked first, and a move can be taken back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from channels.models import RenewalPolicy
from devices.delete_organization import delete_organization
from devices.forms import DeleteOrganizationForm
from devices.models import Device, ExpectedDevice, PendingDevice, RegistrationKey
from devices.moving import change_by_moving, move_organization
from orgs import access, tree
from orgs.alone import alone_with
from orgs.errors import CannotMove, ChangedMeanwhile, NotEmpty
from orgs.forms import MoveOrganizationForm
from orgs.http import PersonRequest, breadcrumbs, button_on, note, posted
from orgs.models import Invitation, Organization, User
from orgs.paths import Paths
from orgs.undo import offer_undo, undone

NAMED = 5


def _managed(request: PersonRequest, pk: int) -> Organization:
    return get_object_or_404(access.managed_organizations(request.user).select_related("parent"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def move(request: PersonRequest, pk: int) -> HttpResponse:
    """Put an organization with all that is in it into another one."""
    moved = _managed(request, pk)
    if moved.is_customer:
        messages.error(request, _("The customer itself cannot be moved."))
        return redirect(moved)
    form = MoveOrganizationForm(posted(request), organization=moved, user=request.user)
    dropped_on = form.dropped_on(request.GET.get("to", ""))
    if form.is_valid():
        target, before = form.cleaned_data["parent"], moved.parent
        try:
            _move(request, moved, target)
        except (CannotMove, ChangedMeanwhile) as error:
            form.add_error(None if dropped_on else "parent", str(error))
        else:
            _say_moved(request, moved, target, before)
            return redirect(moved)
    context = {"form": form, "organization": moved, "breadcrumbs": breadcrumbs(request.user, moved, _("Move"))}
    if dropped_on:
        context |= {"target": dropped_on, "consequences": _of_moving(moved, dropped_on)}
    return render(request, "devices/move_organization.html", context)


def _move(request: PersonRequest, moved: Organization, target: Organization) -> None:
    """Move it as the person saw it. Raises CannotMove, also where there is one of that name, and ChangedMeanwhile."""
    try:
        with transaction.atomic():
            tree.lock_tree_of(moved)
            moved.require_unchanged()
            move_organization(moved, below=target)
            note(request, "organization.moved", about=moved, organization=moved, to=target.name, to_number=target.pk)
    except IntegrityError:
        said = _("There is an organization called “{name}” in {target} already. Rename one of them first.")
        raise CannotMove(said.format(name=moved.name, target=target.name)) from None


def _say_moved(request: PersonRequest, moved: Organization, target: Organization, before: Organization | None) -> None:
    said = _("“{name}” is now in {target}.").format(name=moved.name, target=Paths.of(request).to(target))
    if before is not None and access.may_manage(request.user, before):
        address = reverse("organization_move_back", args=[moved.pk])
        offer_undo(request, said, address=address, back_to=before.pk, out_of=target.pk)
    else:
        messages.success(request, said)


@button_on("organization")
def move_back(request: PersonRequest, pk: int) -> HttpResponse:
    """Undo `move`, unless somebody has moved it once more since."""
    moved, what = _managed(request, pk), undone(request)
    managed = access.managed_organizations(request.user)
    target = managed.filter(pk=what["back_to"]).first() if what and what["out_of"] == moved.parent_id else None
    if target is None:
        messages.error(request, _("This can no longer be undone. Move it instead."))
        return redirect(moved)
    try:
        _move(request, moved, target)
    except (CannotMove, ChangedMeanwhile) as error:
        messages.error(request, str(error))
    else:
        said = _("“{name}” is in {target} again. Read keys that ended stay ended: new ones are made when asked for.")
        messages.success(request, said.format(name=moved.name, target=Paths.of(request).to(target)))
    return redirect(moved)


def _of_moving(moved: Organization, target: Organization) -> list[str]:
    change = change_by_moving(moved, below=target)
    told = [
        _("Everything in “{name}” moves along: organizations, people, devices and registration keys.").format(
            name=moved.name
        )
    ]
    if change.gain:
        said = ngettext("{names} will see its devices.", "{names} will see its devices.", len(change.gain))
        told.append(said.format(names=_names(change.gain)))
    if change.lose:
        said = ngettext(
            "{names} will no longer see its devices, and loses the read keys to them at once.",
            "{names} will no longer see its devices, and lose the read keys to them at once.",
            len(change.lose),
        )
        told.append(said.format(names=_names(change.lose)))
    return told


def _names(people: list[User]) -> str:
    named = ", ".join(str(person) for person in people[:NAMED])
    more = len(people) - NAMED
    if more <= 0:
        return named
    return ngettext("{named} and {count} more", "{named} and {count} more", more).format(named=named, count=more)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    """Delete an organization, after asking where all that is in it should go."""
    with alone_with(request, lambda: _managed(request, pk), lock=tree.lock_tree_of) as doomed:
        if doomed.is_customer:
            messages.error(request, _("A customer is not deleted as an organization but by closing the account."))
            return redirect(doomed)
        what = _what_it_holds(doomed)
        holds = {kind: len(those) for kind, those in what.items()}
        form = DeleteOrganizationForm(
            posted(request),
            organization=doomed,
            user=request.user,
            holds=what,
            has_things=any(holds[kind] for kind in ("devices", "newcomers", "registration_keys", "organizations")),
            has_people=bool(holds["people"]),
        )
        if form.is_valid():
            try:
                with transaction.atomic():
                    delete_organization(
                        doomed,
                        things_to=form.cleaned_data.get("things_to"),
                        people_to=form.cleaned_data.get("people_to"),
                    )
                    note(request, "organization.deleted", about=doomed, organization=doomed.customer, **holds)
            except (CannotMove, NotEmpty) as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("“{name}” is deleted.").format(name=doomed.name))
                return redirect("organizations")
    context = {
        "form": form,
        "organization": doomed,
        "consequences": _consequences(doomed, holds),
        "breadcrumbs": breadcrumbs(request.user, doomed, _("Delete")),
    }
    return render(request, "devices/delete_organization.html", context)


def _what_it_holds(organization: Organization) -> dict[str, list[int]]:
    """Return the numbers of what is in it itself, by kind: one that came for another that left is a change, too."""
    here: dict[str, list[QuerySet[Any]]] = {
        "devices": [Device.objects.filter(organization=organization)],
        "newcomers": [kind.objects.filter(organization=organization) for kind in (PendingDevice, ExpectedDevice)],
        "registration_keys": [RegistrationKey.objects.filter(organization=organization)],
        "organizations": [Organization.objects.filter(parent=organization)],
        "people": [organization.memberships.all()],
        "invitations": [Invitation.objects.pending().filter(organization=organization)],
    }
    return {
        kind: [number for rows in several for number in rows.order_by("pk").values_list("pk", flat=True)]
        for kind, several in here.items()
    }


def _consequences(organization: Organization, holds: dict[str, int]) -> list[str]:
    devices = ngettext("{count} device", "{count} devices", holds["devices"])
    newcomers = ngettext(
        "{count} device that is expected or at the door",
        "{count} devices that are expected or at the door",
        holds["newcomers"],
    )
    keys = ngettext("{count} registration key", "{count} registration keys", holds["registration_keys"])
    below = ngettext("{count} organization below it", "{count} organizations below it", holds["organizations"])
    people = ngettext("{count} person", "{count} people", holds["people"])
    invitations = ngettext(
        "{count} invitation that nobody has answered yet ends.",
        "{count} invitations that nobody has answered yet end.",
        holds["invitations"],
    )
    in_it = [
        sentence.format(count=holds[kind])
        for kind, sentence in {
            "devices": devices,
            "newcomers": newcomers,
            "registration_keys": keys,
            "organizations": below,
            "people": people,
        }.items()
        if holds[kind]
    ]
    told = [_("“{name}” is deleted for good.").format(name=organization.name)]
    if in_it:
        told.append(_("It holds {list}: they go where you choose here.").format(list=", ".join(in_it)))
        told.append(_("Devices keep their channels, their keys and everything that they have measured."))
        if holds["registration_keys"]:
            told.append(_("Registration keys stay good: devices that use them land where the keys go."))
        if holds["people"]:
            told.append(_("People who go nowhere lose their read keys to these devices at once."))
    else:
        told.append(_("Nothing and nobody is in it."))
    if RenewalPolicy.objects.filter(organization=organization).exists():
        told.append(_("Its own policy for the renewal of keys ends: that of the new place holds then."))
    if holds["invitations"]:
        told.append(invitations.format(count=holds["invitations"]))
    return told
