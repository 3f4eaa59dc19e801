"""Customers for operators, with what spans the apps: devices, account, keys, and how a customer is closed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from channels.admin import AT_ONCE, say_if_too_many
from channels.errors import CannotRenew
from channels.findings import Finding
from channels.models import Channel, PlatformAccount, RenewalPolicy, RenewalRound
from channels.platforms import PlatformError
from channels.sync import sync
from channels.vault import CannotDecrypt
from devices import closing
from devices.models import Closure, Device, DeviceContact, PendingDevice, RegistrationKey
from devices.moving import move_organization
from devices.renewal_all import channels_of, renew_all, revoke_all
from devices.renewal_policies import Policies
from orgs.admin import OrganizationAdmin
from orgs.audit import address_of
from orgs.errors import Suspended
from orgs.models import Membership, Organization
from orgs.operator_links import NOTHING, Neighbour, link_to, link_to_list, list_of, when
from orgs.operators import AtOrBelowFilter, ask_first, at_or_below_outer, count, operator

admin.site.unregister(Organization)


class AccountStateFilter(admin.SimpleListFilter):
    """What the platform says of the customer's account key."""

    title = _("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*PlatformAccount.State.choices, ("none", _("none at all"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "none":
            return queryset.customers().filter(platform_account__isnull=True)
        return queryset.filter(platform_account__state=self.value()) if self.value() else queryset


@admin.register(Organization)
class CustomerAdmin(OrganizationAdmin):
    """The tree with what operators are asked for: devices, when they were last seen, the state of the account."""

    list_display = (
        "indented", "customer", "people", "devices", "last_asked", "account", "created_at", "suspended_at",
    )  # fmt: skip
    list_filter = (*OrganizationAdmin.list_filter, AccountStateFilter)
    readonly_fields = ("customer", "account", "devices", "last_asked", "created_at", "suspended_at")
    actions: tuple[str, ...] = (
        *OrganizationAdmin.actions,
        "sync_with_platform",
        "renew_write_keys",
        "revoke_write_keys",
        "close",
    )
    dangerous = ("suspend", "revoke_write_keys", "close")
    customer_deeds: ClassVar[tuple[str, ...]] = actions

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        contacts = DeviceContact.objects.filter(at_or_below_outer("device__organization")).order_by("-asked_at")
        accounts = PlatformAccount.objects.filter(organization=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                device_count=count(Device.objects.filter(at_or_below_outer("organization"))),
                last_asked_at=Subquery(contacts.values("asked_at")[:1]),
                account_pk=Subquery(accounts.values("pk")),
                account_state=Subquery(accounts.values("state")),
            )
        )

    def move(self, organization: Organization, *, below: Organization) -> None:
        move_organization(organization, below=below)

    def resume_customer(self, customer: Organization) -> None:
        closing.resume(customer)

    def neighbours(self, obj: Organization) -> list[Neighbour]:
        here = {AtOrBelowFilter.parameter_name: obj.pk}
        account = PlatformAccount.objects.filter(organization=obj).values_list("pk", flat=True).first()
        of_account = {"account__id__exact": account or 0}
        return [
            list_of(Device, _("Devices"), **here),
            list_of(PendingDevice, _("Devices at the door"), **here),
            list_of(RegistrationKey, _("Registration keys"), **here),
            *([list_of(Channel, _("Channels"), **of_account), list_of(Finding, _("Findings"), **of_account)] if account
              else []),
            list_of(RenewalRound, _("Rounds of renewals"), **here),
            list_of(RenewalPolicy, _("Renewal policies"), **here),
            *([list_of(Closure, _("Closing"), q=obj.name)] if Closure.objects.filter(customer=obj).exists() else []),
            *super().neighbours(obj),
        ]  # fmt: skip

    def deeds_for(self, obj: Organization) -> list[str]:
        if Closure.objects.filter(customer=obj).exists():
            return []
        deeds = list(super().deeds_for(obj))
        return [name for name in deeds if name != "close"] if obj.suspended_at else deeds

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Whether an operator may compare with the platform: the right that the list of accounts asks for."""
        return operator(request).has_perm("channels.change_platformaccount")

    def has_renew_permission(self, request: HttpRequest) -> bool:
        """Whether an operator may renew and revoke keys: the right that the list of channels asks for."""
        return operator(request).has_perm("channels.change_channel")

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Whether an operator may have a customer deleted with all that it has; to change one is less than that."""
        return operator(request).has_perm("orgs.delete_organization")

    @admin.display(description=_("devices"))
    def devices(self, organization: Any) -> SafeString | str:
        return link_to_list(Device, organization.device_count, **{AtOrBelowFilter.parameter_name: organization.pk})

    @admin.display(description=_("last asked"))
    def last_asked(self, organization: Any) -> str:
        return when(organization.last_asked_at)

    @admin.display(description=_("account"))
    def account(self, organization: Any) -> SafeString | str:
        if not organization.is_customer:
            return NOTHING
        if organization.account_pk is None:
            return gettext("none")
        return link_to(
            PlatformAccount, organization.account_pk, PlatformAccount.State(organization.account_state).label
        )  # fmt: skip

    @admin.action(description=_("Sync with the platform"), permissions=["sync"])
    def sync_with_platform(self, request: HttpRequest, queryset: Any) -> None:
        accounts = PlatformAccount.objects.filter(organization__in=queryset.customers().values("pk"))
        for account in accounts.select_related("organization")[:AT_ONCE]:
            try:
                done = sync(account, by=operator(request), address=address_of(request))
            except (PlatformError, CannotDecrypt) as refusal:
                self.message_user(request, f"{account.organization}: {refusal}", messages.ERROR)
            else:
                self.message_user(request, f"{account.organization}: {done.sentence}", messages.SUCCESS)
        if not accounts:
            self.message_user(request, gettext("There is no platform account to compare with."), messages.ERROR)
        say_if_too_many(self, request, accounts)

    @admin.action(description=_("Renew all write keys"), permissions=["renew"])
    def renew_write_keys(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        customers = queryset.customers()
        page = ask_first(
            self, request, customers, action="renew_write_keys", question=gettext("Renew all write keys?"),
            consequence=gettext(
                "Every device of these customers gets a new write key. Old and new ones are both good until the device "
                "uses the new one, or the customer's transitional period is over. No measurement is lost."
            ),
            yes=gettext("Yes, renew"), details=self._keys_of,
        )  # fmt: skip
        if page is not None and customers:
            return page
        for customer in customers[:AT_ONCE]:
            overlap = Policies.of_customer(customer).overlap_at(customer)
            self._begin(
                request, customer,
                lambda customer=customer, overlap=overlap: renew_all(
                    customer, by=operator(request), overlap=overlap, address=address_of(request)
                ),
            )  # fmt: skip
        self._say_which(request, customers)
        return None

    @admin.action(description=_("Emergency: revoke all write keys"), permissions=["renew"])
    def revoke_write_keys(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        customers = queryset.customers()
        page = ask_first(
            self, request, customers, action="revoke_write_keys", question=gettext("Revoke all write keys at once?"),
            consequence=gettext(
                "Every write key of these customers ends now. A device cannot deliver anything until it has fetched "
                "its new key: at its next start, or when it asks the next time. Only for when keys are in wrong hands."
            ),
            yes=gettext("Yes, revoke"), details=self._keys_of,
        )  # fmt: skip
        if page is not None and customers:
            return page
        for customer in customers[:AT_ONCE]:
            self._begin(
                request, customer,
                lambda customer=customer: revoke_all(customer, by=operator(request), address=address_of(request)),
            )  # fmt: skip
        self._say_which(request, customers)
        return None

    def _begin(self, request: HttpRequest, customer: Organization, begin: Any) -> None:
        try:
            begun: RenewalRound = begin()
        except CannotRenew as refusal:
            self.message_user(request, f"{customer}: {refusal}", messages.ERROR)
            return
        n = begun.renewals.count()
        said = ngettext(
            "{customer}: {n} write key is being renewed.", "{customer}: {n} write keys are being renewed.", n
        )
        self.message_user(request, said.format(customer=customer, n=n), messages.SUCCESS)

    def _say_which(self, request: HttpRequest, customers: QuerySet[Organization]) -> None:
        if not customers:
            self.message_user(request, gettext("Choose customers, not parts of them."), messages.ERROR)
        say_if_too_many(self, request, customers)

    def _keys_of(self, customer: Organization) -> str:
        n = channels_of(customer).count()
        return ngettext("{n} device with a write key", "{n} devices with write keys", n).format(n=n)

    @admin.action(description=_("Close for good"), permissions=["close"])
    def close(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        customers = queryset.customers().filter(closure__isnull=True)
        page = ask_first(
            self, request, customers, action="close", question=gettext("Close these customers for good?"),
            consequence=gettext(
                "The service ends at once for everybody there, and they are mailed. Then devices, keys, measurements "
                "and the account on the built-in platform are deleted. Channels in an account of the customer's own "
                "on ThingSpeak stay there. This cannot be undone; to stop the service for a while, suspend instead."
            ),
            yes=gettext("Yes, close and delete everything"), details=self._what_goes,
        )  # fmt: skip
        if page is not None and customers:
            return page
        for customer in (chosen := list(customers)):
            try:
                closing.close_customer(customer, keep_channels=True, by=operator(request), address=address_of(request))
            except Suspended:
                said = gettext("{customer} is suspended, so nothing of it is deleted. Resume it first.")
                self.message_user(request, said.format(customer=customer), messages.ERROR)
                continue
            said = gettext("{customer} is closed. What it had is being deleted in the background.")
            self.message_user(request, said.format(customer=customer), messages.SUCCESS)
        if not chosen:
            said = gettext("Choose customers that are not being closed already, and not parts of them.")
            self.message_user(request, said, messages.ERROR)
        return None

    def _what_goes(self, customer: Organization) -> str:
        devices = Device.objects.filter(customer=customer).count()
        people = Membership.objects.current().filter(organization__tree_id=customer.tree_id)
        persons = people.values("user").distinct().count()
        return ", ".join(
            (
                ngettext("{n} device", "{n} devices", devices).format(n=devices),
                ngettext("{n} person", "{n} people", persons).format(n=persons),
            )
        )
