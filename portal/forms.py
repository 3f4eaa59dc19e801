"""Forms of the portal itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from channels.models import PlatformAccount
from channels.platforms import BadAccountKey, PlatformError, platform_named
from devices.registration_key_text import RegistrationKeyText
from orgs.models import User
from orgs.person_names import PersonNameField
from portal.entrance_forms import Labelled
from portal.signup import sign_up


class SignupForm(Labelled, AllauthSignupForm):  # type: ignore[misc]  # Its `clean` has other types.
    """Homer's one form. The address is never said to be taken: its owner gets a mail instead."""

    labels: ClassVar[Mapping[str, Any]] = {
        "email": _("E-mail address"),
        "password2": _("The same password once more"),
    }
    given_name = PersonNameField(label=_("Given name"), widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    family_name = PersonNameField(label=_("Family name"), widget=forms.TextInput(attrs={"autocomplete": "family-name"}))
    organization = forms.CharField(
        label=_("Name of your organization"),
        max_length=100,
        required=False,
        help_text=_("Your family, house or company. You can leave it empty and change it later."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    thingspeak_api_key = forms.CharField(
        label=_("ThingSpeak account key"),
        max_length=64,
        help_text=_("On thingspeak.com under My Profile: “User API Key”. It looks like R9TUHWKR8OOQEHWU."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = (
        "given_name",
        "family_name",
        "email",
        "organization",
        "password1",
        "password2",
        "thingspeak_api_key",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.platform = platform_named(settings.CHANNEL_PLATFORM)
        self.account_state = PlatformAccount.State.UNVERIFIED
        if self.platform.can_create_accounts:
            del self.fields["thingspeak_api_key"]

    def clean_thingspeak_api_key(self) -> str:
        """Ask ThingSpeak about the key; when it does not answer, the sign-up goes on and the key is checked later."""
        key = self.cleaned_data["thingspeak_api_key"].strip().upper()
        try:
            self.platform.validate_account(key)
        except BadAccountKey:
            raise ValidationError(
                _("ThingSpeak does not know this key. Copy the User API Key from My Profile on thingspeak.com.")
            ) from None
        except PlatformError:
            self.account_state = PlatformAccount.State.UNVERIFIED
        else:
            self.account_state = PlatformAccount.State.VERIFIED
        return str(key)

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Create everything, or answer a known address exactly as an unknown one, down to the time that it takes."""
        if not self.account_already_exists:
            try:
                return self.save(request), None
            except IntegrityError:
                # The same form was sent twice at once; the other request has won.
                self.account_already_exists = True
        make_password(self.cleaned_data["password1"])
        RegistrationKeyText.generate().derive()
        return super().try_save(request)  # type: ignore[no-any-return]

    def save(self, request: HttpRequest) -> User:
        data = self.cleaned_data
        return sign_up(
            email=data["email"],
            password=data["password1"],
            given_name=data["given_name"],
            family_name=data["family_name"],
            organization=data["organization"],
            account_key=data.get("thingspeak_api_key", ""),
            account_state=self.account_state,
        )
