"""Registration keys for operators. Secret halves and envelope keys are never loaded here."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from channels.errors import CannotRenew
from devices import renewal
from devices.models import Device, RegistrationKey
from devices.registration_key_text import without_secret
from orgs.audit import address_of
from orgs.operator_links import link, link_to, link_to_list
from orgs.operators import AtOrBelowFilter, OperatorAdmin, ask_first, operator

if TYPE_CHECKING:
    _RegistrationKeyForm = forms.ModelForm[RegistrationKey]
else:
    _RegistrationKeyForm = forms.ModelForm


class KeyStateFilter(admin.SimpleListFilter):
    """Whether a registration key lets devices in, and if not, why."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("good", _("good")), ("used_up", _("used up")), ("expired", _("expired")), ("revoked", _("revoked")),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        used_up = Q(use_limit__isnull=False, uses__gte=F("use_limit"))
        match self.value():
            case "good":
                return queryset.good().exclude(used_up)
            case "used_up":
                return queryset.good().filter(used_up)
            case "expired":
                return queryset.filter(revoked_at__isnull=True, expires_at__lte=timezone.now())
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
        return queryset


class RegistrationKeyForm(_RegistrationKeyForm):
    """What may be set of a registration key."""

    def clean_use_limit(self) -> int | None:
        limit: int | None = self.cleaned_data["use_limit"]
        if limit is not None and limit < self.instance.uses:
            raise ValidationError(_("More devices than that have used the key already."))
        return limit


@admin.register(RegistrationKey)
class RegistrationKeyAdmin(OperatorAdmin[RegistrationKey]):
    """Registration keys by their lookup half. The customer's managers see the whole of them in the portal."""

    form = RegistrationKeyForm
    list_display = ("masked", "label", "customer_link", "organization", "state", "devices", "expires_at", "created_at")
    list_filter = (AtOrBelowFilter, KeyStateFilter, "created_at", "expires_at")
    search_fields = (
        "=lookup", "label", "customer__name", "organization__name", "customer__memberships__user__email",
    )  # fmt: skip
    search_help_text = _("Lookup half, label, organization or customer, or address of somebody there.")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    select_related = ("customer", "organization", "created_by")
    secret_fields = ("secret", "envelope_key_base64", "created_by__password")
    autocomplete_fields = ("organization",)
    fields = ("organization", "label", "expires_at", "use_limit")
    readonly_fields = (
        "masked", "customer_link", "state", "devices", "created_at", "created_by", "revoked_at", "renewed_at",
        "renewed_by_key",
    )  # fmt: skip
    actions = ("renew", "revoke")
    dangerous = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: RegistrationKey | None = None) -> tuple[str, ...]:
        return ("masked", "customer_link", *self.fields, *self.readonly_fields[2:]) if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: RegistrationKey | None = None) -> tuple[str, ...]:
        return ("organization", *self.readonly_fields) if obj else self.readonly_fields

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        sought = request.GET.get(SEARCH_VAR, "")
        if (lookup := without_secret(sought)) != sought:
            return HttpResponseRedirect(f"?{SEARCH_VAR}={lookup}")
        return super().changelist_view(request, extra_context)

    def has_delete_permission(self, request: HttpRequest, obj: RegistrationKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RegistrationKey, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["label", "expires_at", "use_limit"])
            return
        issued = RegistrationKey.issue(by=operator(request), **form.cleaned_data)
        obj.pk = issued.pk
        obj.refresh_from_db(fields=["customer", "lookup", "created_at", "created_by"])
        said = gettext("The managers of {customer} see the whole key in the portal.").format(customer=obj.customer)
        self.message_user(request, said)

    def deeds_for(self, obj: RegistrationKey) -> Collection[str]:
        return () if obj.revoked_at else self.actions

    @admin.display(description=_("key"), ordering="lookup")
    def masked(self, key: RegistrationKey) -> str:
        return key.masked

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_link(self, key: RegistrationKey) -> SafeString | str:
        return link(key.customer)

    @admin.display(description=_("state"))
    def state(self, key: RegistrationKey) -> str:
        if key.revoked_at:
            return gettext("revoked")
        if not key.is_good:
            return gettext("expired")
        return gettext("used up") if key.use_limit is not None and key.uses >= key.use_limit else gettext("good")

    @admin.display(description=_("devices"), ordering="uses")
    def devices(self, key: RegistrationKey) -> SafeString | str:
        used = f"{key.uses} / {key.use_limit}" if key.use_limit is not None else str(key.uses)
        return link_to_list(Device, used, registered_with__id__exact=key.pk)

    @admin.display(description=_("its successor"))
    def renewed_by_key(self, key: RegistrationKey) -> SafeString | str:
        # By its number: the key itself is not to be loaded.
        return link_to(RegistrationKey, key.successor_id, gettext("the new key"))

    @admin.action(description=_("Renew"), permissions=["change"])
    def renew(self, request: HttpRequest, queryset: QuerySet[RegistrationKey]) -> None:
        for key in queryset:
            try:
                successor = renewal.renew(key, by=operator(request), address=address_of(request))
            except CannotRenew as refusal:
                self.message_user(request, f"{key}: {refusal}", messages.ERROR)
            else:
                said = gettext("{key} is renewed by {successor}: devices switch by themselves when they ask next.")
                self.message_user(request, said.format(key=key, successor=successor), messages.SUCCESS)

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[RegistrationKey]) -> HttpResponse | None:
        keys = queryset.filter(revoked_at__isnull=True)
        page = ask_first(
            self, request, keys, action="revoke", question=gettext("Revoke these registration keys?"),
            consequence=gettext(
                "No new device gets in with them, ever again. Devices that have registered keep their channels and go "
                "on writing, but can no longer ask for their keys until another key is set into them."
            ),
            yes=gettext("Yes, revoke"),
        )  # fmt: skip
        if page is not None and keys:
            return page
        for key in keys:
            key.revoke()
            self.log_change(request, key, _("Revoked."))
            self.message_user(request, gettext("{key} is revoked.").format(key=key), messages.SUCCESS)
        return None
