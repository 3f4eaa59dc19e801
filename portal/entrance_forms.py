"""The forms with which people come in: allauth's, in our words and fit for a phone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from allauth.account import forms as account
from allauth.mfa.base import forms as factors
from allauth.mfa.totp import forms as totp
from django import forms
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _

from orgs import invitations
from orgs.errors import InvitationNotGood

_NEW: Mapping[str, Any] = {"password1": _("New password"), "password2": _("The same password once more")}


class Labelled(forms.Form):
    """A form that calls some fields otherwise, and so also in what it says of them: a template would be too late."""

    labels: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in self.labels.items():
            self.fields[name].label = label


class _OfDigits(forms.Form):
    """A form whose code consists of digits: a phone offers nothing else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["inputmode"] = "numeric"


class LoginForm(Labelled, account.LoginForm):
    """Knows the address of whoever comes from an invitation: the page before has named it."""

    labels: ClassVar[Mapping[str, Any]] = {
        "login": _("E-mail address"),
        "remember": _("Keep me logged in on this device"),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.request is not None:
            self.fields["login"].initial = _invited_address(self.request)


def _invited_address(request: HttpRequest) -> str:
    """Return the address that was invited, if logging in leads on to an invitation that is still open."""
    try:
        page = resolve(request.GET.get("next", ""))
        return invitations.find(page.kwargs["token"]).email if page.view_name == "invitation" else ""
    except (Resolver404, InvitationNotGood):
        return ""


class ResetPasswordForm(Labelled, account.ResetPasswordForm):
    labels: ClassVar[Mapping[str, Any]] = {"email": _("E-mail address")}


class ResetPasswordKeyForm(Labelled, account.ResetPasswordKeyForm):
    labels = _NEW


class NewAddressForm(Labelled, account.AddEmailForm):
    labels: ClassVar[Mapping[str, Any]] = {"email": _("New e-mail address")}


class ChangePasswordForm(Labelled, account.ChangePasswordForm):
    labels: ClassVar[Mapping[str, Any]] = {"oldpassword": _("Present password"), **_NEW}


class SetPasswordForm(Labelled, account.SetPasswordForm):
    labels = _NEW


class CodeForm(_OfDigits, factors.AuthenticateForm):
    """The second step of logging in."""


class CodeAgainForm(_OfDigits, factors.ReauthenticateForm):
    """The code instead of the password, where somebody shows that it is still them."""


class ActivateAppForm(_OfDigits, totp.ActivateTOTPForm):
    """The first code of an app."""
