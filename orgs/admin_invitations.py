"""Invitations for operators."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orgs import invitations
from orgs.errors import InvitationNotGood, MailNotSent, TooManyInvitations
from orgs.models import Invitation, User
from orgs.operator_links import Neighbour, list_of
from orgs.operators import AtOrBelowFilter, CustomerColumn, OperatorAdmin, customer_columns, operator


class InvitationStateFilter(admin.SimpleListFilter):
    """Where an invitation stands."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("open")),
            ("expired", _("expired")),
            ("accepted", _("accepted")),
            ("withdrawn", _("withdrawn")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "open":
                return queryset.open()
            case "expired":
                return queryset.pending().filter(expires_at__lte=timezone.now())
            case "accepted":
                return queryset.filter(accepted_at__isnull=False)
            case "withdrawn":
                return queryset.filter(revoked_at__isnull=False)
        return queryset


@admin.register(Invitation)
class InvitationAdmin(CustomerColumn, OperatorAdmin[Invitation]):
    """Offered places. The link is in the mail alone, so an operator can send a new one but never see one."""

    list_display = ("email", "organization", "customer", "relation", "state", "created_at", "expires_at", "invited_by")
    list_filter = (AtOrBelowFilter, InvitationStateFilter, "relation", "created_at")
    search_fields = ("email", "given_name", "family_name", "organization__name", "customer_name", "invited_by__email")
    search_help_text = _("Address, name, organization, customer, or address of whoever invited.")
    select_related = ("organization", "invited_by")
    secret_fields = ("token_hash", "invited_by__password")
    autocomplete_fields = ("organization",)
    fields = ("organization", "email", "given_name", "family_name", "relation", "membership_until", "expires_at")
    readonly_fields = ("customer", "state", "created_at", "asked_at", "accepted_at", "revoked_at", "invited_by")
    ordering = ("-created_at", "-pk")
    actions = ("resend", "withdraw")
    refusals = (IntegrityError,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        return super().get_queryset(request).annotate(**customer_columns("organization"))

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return (*self.fields, *self.readonly_fields) if obj else self.fields

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        # What was mailed cannot be changed afterwards; the actions of the list need the right as such.
        return obj is None and super().has_change_permission(request)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except (MailNotSent, TooManyInvitations) as trouble:
            # Of a mail that was not sent the invitation is stored by then, so the form would invite once more.
            self.message_user(request, str(trouble), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:orgs_invitation_changelist"))

    def why_not(self, refusal: Exception) -> str:
        return gettext("The same person has just been invited by somebody else.")

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        sent = invitations.invite(**form.cleaned_data, by=operator(request))
        obj.pk = sent.pk
        obj.refresh_from_db()

    def neighbours(self, obj: Invitation) -> list[Neighbour]:
        return [list_of(User, _("Whom it is for"), q=obj.email), *super().neighbours(obj)]

    def deeds_for(self, obj: Invitation) -> Collection[str]:
        return () if obj.accepted_at or obj.revoked_at else self.actions

    @admin.display(description=_("state"))
    def state(self, invitation: Invitation) -> str:
        if invitation.accepted_at:
            return gettext("accepted")
        if invitation.revoked_at:
            return gettext("withdrawn")
        return gettext("expired") if invitation.is_expired else gettext("open")

    @admin.action(description=_("Send a new link"), permissions=["change"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        resend = partial(invitations.resend, by=operator(request))
        said = gettext("A new link was sent to {email}; the old one has ended.")
        self._each(request, queryset, resend, said, _("A new link was sent; the old one has ended."))

    @admin.action(description=_("Withdraw"), permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        said = gettext("The invitation of {email} was withdrawn.")
        self._each(request, queryset, invitations.withdraw, said, _("Withdrawn."))

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Invitation], operation: Any, words: str, kept: Promise
    ) -> None:
        """Do it to each, and say so in `words`; the audit keeps `kept`."""
        for invitation in queryset:
            said = words.format(email=invitation.email)
            try:
                with transaction.atomic():
                    operation(invitation)
                    self.log_change(request, invitation, kept)
            except (InvitationNotGood, MailNotSent, TooManyInvitations) as refusal:
                self.message_user(request, f"{invitation.email}: {refusal}", messages.ERROR)
            else:
                self.message_user(request, said, messages.SUCCESS)
