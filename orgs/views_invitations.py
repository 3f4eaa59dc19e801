"""Inviting people, and the page behind the link in the mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from orgs import access, invitations
from orgs.errors import InvitationNotGood, MailNotSent, TooManyInvitations
from orgs.forms import AcceptForm
from orgs.forms_inviting import InvitationForm, SeveralInvitationsForm
from orgs.forms_places import ChooseInvitationsForm, ChoosePlaceForm
from orgs.http import PersonRequest, breadcrumbs, button_on, note, note_each, posted
from orgs.logging_in import BACKEND
from orgs.models import Invitation
from orgs.resending import resend_many, said_not_sent
from orgs.undo import offer_undo, undone
from orgs.views_people import under_people

INVITATIONS_A_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
def choose_place(request: PersonRequest) -> HttpResponse:
    """Choose where to invite somebody to."""
    if not access.managed_organizations(request.user).exists():
        raise Http404
    form = ChoosePlaceForm(posted(request), user=request.user)
    if form.is_valid():
        return redirect("invite", form.cleaned_data["organization"].pk)
    context = {"form": form, "breadcrumbs": under_people(_("Invite somebody"))}
    return render(request, "orgs/invite_somewhere.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: PersonRequest, pk: int) -> HttpResponse:
    """Invite somebody by e-mail. The answer is the same whether or not the address has an account."""
    organization = get_object_or_404(access.managed_organizations(request.user), pk=pk)
    form = InvitationForm(posted(request), organization=organization, by=request.user)
    if form.is_valid():
        try:
            with transaction.atomic():
                invited = invitations.invite(organization=organization, by=request.user, **form.cleaned_data)
                note(request, "invitation.sent", about=invited, organization=organization, relation=invited.relation)
        except TooManyInvitations as error:
            form.add_error(None, str(error))
        except MailNotSent as error:
            messages.error(request, str(error))
        except IntegrityError:  # Two clicks at once: the other one has sent the mail, unless the place is gone by now.
            get_object_or_404(access.managed_organizations(request.user), pk=pk)
            messages.info(request, _("An invitation to {email} has just been sent.").format(**form.cleaned_data))
        else:
            messages.success(request, _("The invitation is on its way to {email}.").format(**form.cleaned_data))
        if form.is_valid():
            return redirect(organization)
    path = breadcrumbs(request.user, organization, _("Invite somebody"))
    return render(request, "orgs/invite.html", {"form": form, "organization": organization, "breadcrumbs": path})


@require_http_methods(["GET", "HEAD", "POST"])
def invite_several(request: PersonRequest, pk: int) -> HttpResponse:
    """Invite many at once, all or nobody, to an organization and to those below it."""
    organization = get_object_or_404(access.managed_organizations(request.user), pk=pk)
    form = SeveralInvitationsForm(posted(request), request.FILES or None, organization=organization, by=request.user)
    if form.is_valid():
        try:
            with transaction.atomic():
                sent = invitations.invite_each(form.rows, by=request.user, **form.offer)
                placed = [(one, one.organization) for one in sent]
                note_each(request, "invitation.sent", placed, relation=form.offer["relation"])
        except TooManyInvitations as error:
            form.add_error(None, str(error))
        except IntegrityError:
            form.add_error(
                None, _("Somebody is inviting some of these in this very moment. Nobody was invited here: try again.")
            )
        except MailNotSent as error:
            _say_how_many_were_sent(request, len(sent) - len(error.invitations))
            _say_what_was_not_sent(request, {str(error): error.invitations})
        else:
            _say_how_many_were_sent(request, len(sent))
        if form.is_valid():
            return redirect("invited")
    path = breadcrumbs(request.user, organization, _("Invite several people"))
    context = {"form": form, "organization": organization, "breadcrumbs": path}
    return render(request, "orgs/invite_several.html", context)


def _say_how_many_were_sent(request: PersonRequest, count: int) -> None:
    if count:
        said = ngettext("{count} invitation is on its way.", "{count} invitations are on their way.", count)
        messages.success(request, said.format(count=count))


def _say_what_was_not_sent(request: PersonRequest, refused: Mapping[str, Sequence[Invitation]]) -> None:
    for sentence in said_not_sent(refused):
        messages.error(request, sentence)


@require_safe
def invited(request: PersonRequest) -> HttpResponse:
    """All invitations into what I manage that nobody has answered yet, those that need something first."""
    pending = access.managed_invitations(request.user).pending().select_related("organization")
    page = Paginator(pending.order_by("expires_at", "pk"), INVITATIONS_A_PAGE).get_page(request.GET.get("page"))
    manages = access.managed_organizations(request.user).exists()
    context = {"page": page, "manages": manages, "breadcrumbs": under_people(_("Invitations"))}
    return render(request, "orgs/invited.html", context)


def _back(request: PersonRequest, invited: Invitation, to: str | None) -> HttpResponse:
    """Return to the list that the button was on: that of all invitations, or the organization's."""
    return redirect("invited") if to == reverse("invited") else redirect(invited.organization)


@require_http_methods(["GET", "HEAD", "POST"])
def resend(request: PersonRequest, pk: int) -> HttpResponse:
    """Mail a pending invitation again, with a new link."""
    invited = get_object_or_404(access.managed_invitations(request.user).select_related("organization"), pk=pk)
    if request.method == "POST":
        try:
            with transaction.atomic():
                invitations.resend(invited, by=request.user)
                note(request, "invitation.sent_again", about=invited, organization=invited.organization)
        except (InvitationNotGood, TooManyInvitations, MailNotSent) as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, _("A new link is on its way to {email}. The old one has ended.").format(email=invited.email)
            )
    return _back(request, invited, request.POST.get("next"))


@button_on("invited")
def resend_several(request: PersonRequest) -> HttpResponse:
    """Mail the chosen ones again, each with a new link, and say which were not sent and why; the list has the form."""
    form = ChooseInvitationsForm(posted(request), user=request.user)
    if form.is_valid():
        done = resend_many(
            form.cleaned_data["invitations"],
            by=request.user,
            note=lambda sent: note_each(request, "invitation.sent_again", [(one, one.organization) for one in sent]),
        )
        if said := done.said():
            messages.success(request, said)
        _say_what_was_not_sent(request, done.refused)
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    back = request.POST.get("next", "")
    return redirect(back if back.startswith(f"{reverse('invited')}?") else "invited")


@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: PersonRequest, pk: int) -> HttpResponse:
    """End a pending invitation."""
    invited = get_object_or_404(access.managed_invitations(request.user).select_related("organization"), pk=pk)
    if request.method == "POST":
        try:
            with transaction.atomic():
                invitations.withdraw(invited)
                note(request, "invitation.withdrawn", about=invited, organization=invited.organization)
        except InvitationNotGood as error:
            messages.error(request, str(error))
        else:
            said = _("The invitation to {email} is withdrawn.").format(email=invited.email)
            when, back = invited.revoked_at, request.POST.get("next", "")
            address = reverse("invitation_restore", args=[pk])
            offer_undo(request, said, address=address, withdrawn_at=when.isoformat() if when else "", back=back)
    return _back(request, invited, request.POST.get("next"))


@require_http_methods(["GET", "HEAD", "POST"])
def restore(request: PersonRequest, pk: int) -> HttpResponse:
    """Undo `withdraw`: the link that was mailed is good again."""
    invited = get_object_or_404(access.managed_invitations(request.user).select_related("organization"), pk=pk)
    if request.method != "POST":
        return _back(request, invited, None)
    what = undone(request)
    if what is None:
        messages.error(request, _("This can no longer be undone. Send a new invitation instead."))
        return _back(request, invited, None)
    try:
        with transaction.atomic():
            invitations.restore(invited, withdrawn_at=datetime.fromisoformat(what["withdrawn_at"]))
            note(request, "invitation.restored", about=invited, organization=invited.organization)
    except InvitationNotGood as error:
        messages.error(request, str(error))
    else:
        said = _("The invitation to {email} stands again, with the link that was mailed.")
        messages.success(request, said.format(email=invited.email))
    return _back(request, invited, what["back"])


@login_not_required
@never_cache
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link: who has it owns the address that the invitation was sent to."""
    try:
        invited = invitations.find(token)
        account = invitations.account_of(invited)
        if request.user.is_authenticated and request.user != account:
            return render(request, "orgs/invitation_other_account.html", {"invitation": invited})
        if account is None:
            return _with_new_account(request, token, invited)
        if not request.user.is_authenticated:
            return render(request, "orgs/invitation_log_in.html", {"invitation": invited})
        if request.method == "POST":
            with transaction.atomic():
                place = invitations.accept_as(account, token)
                note(request, "invitation.accepted", about=place, organization=place.organization)
            return _welcome(request, invited)
    except InvitationNotGood as error:
        return render(request, "orgs/invitation_not_good.html", {"reason": str(error)}, status=404)
    return render(request, "orgs/invitation_accept.html", {"invitation": invited})


@login_not_required
@never_cache
@button_on("invitation")
def ask_again(request: HttpRequest, token: str) -> HttpResponse:
    """Pass on the wish for a new link. The answer is the same whatever became of the invitation."""
    invitations.ask_for_new(token)
    return redirect("invitation_asked")


@login_not_required
@require_safe
def asked(request: HttpRequest) -> HttpResponse:
    """What becomes of such a wish."""
    return render(request, "orgs/invitation_asked.html")


def _with_new_account(request: HttpRequest, token: str, invited: Invitation) -> HttpResponse:
    names = {"given_name": invited.given_name, "family_name": invited.family_name}
    form = AcceptForm(posted(request), email=invited.email, initial=names)
    if form.is_valid():
        with transaction.atomic():
            user = invitations.accept_with_new_account(
                token,
                given_name=form.cleaned_data["given_name"],
                family_name=form.cleaned_data["family_name"],
                password=form.cleaned_data["password1"],
            )
            login(request, user, backend=BACKEND)
            note(request, "invitation.accepted", about=invited, organization=invited.organization)
        return _welcome(request, invited)
    return render(request, "orgs/invitation_new_account.html", {"form": form, "invitation": invited})


def _welcome(request: HttpRequest, invited: Invitation) -> HttpResponse:
    messages.success(request, _("Welcome. You now see the devices of {name}.").format(name=invited.organization.name))
    return redirect("dashboard")
