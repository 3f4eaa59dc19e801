"""Pages that change the shape of the tree."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from orgs import access, tree
from orgs.audit import address_of, record_of_each
from orgs.errors import ChangedMeanwhile, NotEmpty, TooDeep
from orgs.forms import EditOrganizationForm, OrganizationForm, SeveralOrganizationsForm
from orgs.http import PersonRequest, breadcrumbs, button_on, note, posted
from orgs.models import Organization
from orgs.paths import Paths
from orgs.undo import offer_undo, undone


def _managed(request: PersonRequest, pk: int) -> Organization:
    return get_object_or_404(access.managed_organizations(request.user).select_related("parent"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: PersonRequest, pk: int) -> HttpResponse:
    """Make an organization below another one."""
    parent = _managed(request, pk)
    form = OrganizationForm(posted(request), parent=parent)
    if form.is_valid():
        try:
            with transaction.atomic():
                made = tree.create_below(parent, **form.cleaned_data)
                note(request, "organization.created", about=made, organization=made)
        except IntegrityError:  # Two clicks at once: the other one made it.
            form.add_error("name", form.name_taken)
        except TooDeep as refusal:
            form.add_error(None, str(refusal))
        except Organization.DoesNotExist:
            raise Http404 from None
        else:
            said = _("“{name}” is now in {parent}.").format(name=made.name, parent=Paths.of(request).to(parent))
            _offer_to_unmake(request, [made], parent, said)
            return redirect(made)
    path = breadcrumbs(request.user, parent, _("New organization"))
    return render(request, "orgs/new.html", {"form": form, "organization": parent, "breadcrumbs": path})


@require_http_methods(["GET", "HEAD", "POST"])
def new_several(request: PersonRequest, pk: int) -> HttpResponse:
    """Make many organizations below another one, of what somebody pastes."""
    parent = _managed(request, pk)
    form = SeveralOrganizationsForm(posted(request))
    if form.is_valid():
        try:
            with transaction.atomic():
                made = tree.create_paths_below(parent, form.cleaned_data["names"])
                new = [(one, one) for one in made]
                record_of_each("organization.created", new, by=request.user, address=address_of(request))
        except TooDeep as refusal:
            form.add_error("names", str(refusal))
        except Organization.DoesNotExist:
            raise Http404 from None
        else:
            _say_made(request, made, parent)
            return redirect(parent)
    path = breadcrumbs(request.user, parent, _("Several organizations"))
    return render(request, "orgs/new_several.html", {"form": form, "organization": parent, "breadcrumbs": path})


def _say_made(request: PersonRequest, made: list[Organization], parent: Organization) -> None:
    if made:
        said = ngettext(
            "{count} organization is now in {parent}.", "{count} organizations are now in {parent}.", len(made)
        )
        _offer_to_unmake(request, made, parent, said.format(count=len(made), parent=Paths.of(request).to(parent)))
    else:
        messages.info(request, _("All of these are there already. Nothing was made."))


def _offer_to_unmake(request: PersonRequest, made: list[Organization], parent: Organization, said: str) -> None:
    numbers = [one.pk for one in made]
    address = reverse("organizations_unmake", args=[parent.pk])
    offer_undo(request, said, address=address, first=min(numbers), last=max(numbers), count=len(numbers))


@button_on("organization")
def unmake(request: PersonRequest, pk: int) -> HttpResponse:
    """Undo `new` and `new_several`, as long as nothing is in what was made."""
    parent, what = _managed(request, pk), undone(request)
    if what is None:
        messages.error(request, _("This can no longer be undone. Delete what you do not need on its own page."))
        return redirect(parent)
    try:
        with transaction.atomic():
            gone = tree.delete_just_made((what["first"], what["last"]), what["count"], below=parent)
            address = address_of(request)
            record_of_each("organization.deleted", [(one, parent) for one in gone], by=request.user, address=address)
    except NotEmpty as error:
        said = _("{problem} Nothing was undone; delete what you do not need on its own page.")
        messages.error(request, said.format(problem=error))
    except Organization.DoesNotExist:
        raise Http404 from None
    else:
        said = ngettext("{count} organization is deleted again.", "{count} organizations are deleted again.", len(gone))
        messages.success(request, said.format(count=len(gone)))
    return redirect(parent)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    """Rename and describe."""
    organization = _managed(request, pk)
    form = EditOrganizationForm(posted(request), organization=organization)
    if form.is_valid():
        try:
            with transaction.atomic():
                tree.lock_tree_of(organization)
                organization.require_unchanged()
                before = organization.name
                organization.describe(**form.values)
                note(request, "organization.described", about=organization, organization=organization, before=before)
        except IntegrityError:
            form.add_error("name", form.name_taken)
        except ChangedMeanwhile as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("“{name}” is saved.").format(name=organization.name))
            return redirect(organization)
    path = breadcrumbs(request.user, organization, _("Rename"))
    return render(request, "orgs/edit.html", {"form": form, "organization": organization, "breadcrumbs": path})
