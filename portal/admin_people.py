"""People and their places for operators, with what spans the apps: read keys, log-ins, and the way back in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ResetPasswordForm
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from channels.keys_shown import ShownKey
from channels.models import ChannelKey
from devices.read_rights import end_lost_read_keys
from orgs.admin_logins import SecondFactorAdmin
from orgs.admin_people import UserAdmin
from orgs.admin_places import MembershipAdmin
from orgs.models import Membership, User
from orgs.operator_links import Neighbour, list_of
from orgs.operators import ask_first, may_change, operator
from portal.letters import Letter
from portal.log_ins import LogIn

admin.site.unregister([Membership, User, Authenticator])
NOTIFICATIONS = {
    Authenticator.Type.TOTP: "mfa/email/totp_deactivated",
    Authenticator.Type.WEBAUTHN: "mfa/email/webauthn_removed",
}
"""What a person is mailed when somebody else has removed their second factor."""


@admin.register(Membership)
class PlaceAdmin(MembershipAdmin):
    """Places; whoever loses one loses the read keys to what they no longer see."""

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        end_lost_read_keys(obj.organization)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        super().delete_model(request, obj)
        end_lost_read_keys(obj.organization)


def _without(factors: Iterable[Authenticator]) -> None:
    """End all log-ins of people who have just lost these second factors, and mail each of them about it."""
    lost = {(factor.user, Authenticator.Type(factor.type)) for factor in factors}
    LogIn.objects.filter(user__in={person for person, _kind in lost}).end()
    for person, kind in sorted(lost, key=lambda one: (one[0].pk, one[1])):
        if kind in NOTIFICATIONS:
            get_adapter().send_notification_mail(NOTIFICATIONS[kind], person)


@admin.register(Authenticator)
class FactorAdmin(SecondFactorAdmin):
    """Second factors; whoever loses one is told, and logged in nowhere any more."""

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        self.delete_queryset(request, Authenticator.objects.filter(pk=obj.pk))

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        factors = list(queryset.select_related("user").defer(*self.secret_fields))
        super().delete_queryset(request, queryset)
        _without(factors)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People; whoever is locked out loses their read keys."""

    actions = ("send_password_link", "send_confirmation_link", "end_log_ins", "remove_second_factors")

    dangerous = ("remove_second_factors",)

    def neighbours(self, obj: User) -> list[Neighbour]:
        return [
            list_of(ChannelKey, _("Read keys of their own"), holder__id__exact=obj.pk),
            list_of(ShownKey, _("Shared keys that they saw"), user__id__exact=obj.pk),
            list_of(Letter, _("Mails on their way"), q=obj.email),
            *super().neighbours(obj),
        ]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and not obj.is_active:
            for place in obj.memberships.select_related("organization"):
                end_lost_read_keys(place.organization)

    def has_free_permission(self, request: HttpRequest) -> bool:
        """Whether an operator may remove second factors: the right that their own list asks for."""
        return self.has_change_permission(request) and operator(request).has_perm("mfa.delete_authenticator")

    @admin.action(description=_("Send a link for a new password"), permissions=["change"])
    def send_password_link(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        kept = _("A link for a new password was sent.")

        def send(person: User) -> str:
            form = ResetPasswordForm({"email": person.email})
            if not person.is_active or not form.is_valid():
                return ""
            form.save(request)
            return str(kept)

        self._each(request, queryset, send, kept, gettext("Nothing was sent: they are locked out."))

    @admin.action(description=_("Send the link that confirms the address"), permissions=["change"])
    def send_confirmation_link(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        kept = _("A link that confirms the address was sent.")

        def send(person: User) -> str:
            address, _made = EmailAddress.objects.get_or_create(
                user=person, email=person.email, defaults={"primary": True}
            )
            if address.verified:
                return ""
            address.send_confirmation(request)
            return str(kept)

        self._each(request, queryset, send, kept, gettext("Nothing was sent: the address is confirmed."))

    @admin.action(description=_("End all log-ins"), permissions=["change"])
    def end_log_ins(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        def end(person: User) -> str:
            n = LogIn.objects.filter(user=person).end()
            return ngettext("{n} log-in was ended.", "{n} log-ins were ended.", n).format(n=n) if n else ""

        kept = _("All log-ins were ended.")
        self._each(request, queryset, end, kept, gettext("They are logged in nowhere."))

    @admin.action(description=_("Remove the second factor"), permissions=["free"])
    def remove_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        page = ask_first(
            self, request, queryset, action="remove_second_factors",
            question=gettext("Remove the second factor of these people?"),
            consequence=gettext(
                "Then the password alone opens the account. Do it only when you are sure who has asked you for it: "
                "call back on a number that you know. The person is mailed about it, and all their log-ins end."
            ),
            yes=gettext("Yes, remove"),
        )  # fmt: skip
        if page is not None:
            return page

        kept = _("The second factor was removed, with its recovery codes.")

        def remove(person: User) -> str:
            factors = list(Authenticator.objects.filter(user=person).select_related("user"))
            Authenticator.objects.filter(user=person).delete()
            _without(factors)
            return str(kept) if factors else ""

        self._each(request, queryset, remove, kept, gettext("There was no second factor."))
        return None

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[User],
        operation: Callable[[User], str],
        kept: Promise,
        nothing: str,
    ) -> None:
        """Do it to each and say so; `operation` returns what it did, "" if nothing was to be done.

        What was done is kept in the audit as `kept`.
        """
        for person in queryset:
            if not may_change(operator(request), person):
                said = gettext("Only a superuser may do that to an operator.")
                self.message_user(request, f"{person.email}: {said}", messages.ERROR)
                continue
            # Nothing is done to somebody that is not in the audit, or of which they are not mailed.
            with transaction.atomic():
                if said := operation(person):
                    self.log_change(request, person, kept)
            done = messages.SUCCESS if said else messages.WARNING
            self.message_user(request, f"{person.email}: {said or nothing}", done)
