"""Each page of one's own account below the first says where it is."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import get_resolver

from portal.templatetags.account_path import _PAGES
from tests.conftest import Cast


def path_of(client: Client, address: str) -> list[str]:
    html = client.get(address).content.decode()
    found = re.search(r'<nav class="breadcrumbs".*?</nav>', html, re.DOTALL)
    assert found, f"{address} has no path"
    return [label.strip() for label in re.findall(r">([^<>]+)</(?:a|span)>", found[0])]


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/account/log-ins/", ["My account", "Log-ins"]),
        ("/account/close/", ["My account", "My data", "Close my account"]),
        ("/accounts/email/", ["My account", "E-mail address"]),
        ("/accounts/password/change/", ["My account", "Change password"]),
        ("/accounts/2fa/", ["My account", "Second factor"]),
    ],
)
def test_a_page_of_my_account_says_where_it_is(simpsons: Cast, as_marge: Client, address: str, path: list[str]) -> None:
    simpsons.marge.set_password("a-long-enough-password")
    simpsons.marge.save()
    as_marge.force_login(simpsons.marge)
    assert path_of(as_marge, address) == path


def test_every_page_with_the_menu_of_the_account_is_known(simpsons: Cast, as_marge: Client) -> None:
    """The addresses of the account are those of the table, whatever allauth adds."""
    names = {str(name) for name in get_resolver().reverse_dict if isinstance(name, str)}
    own = {name for name in names if name.startswith(("mfa_", "account_"))}
    entrance = re.compile(
        r"login|signup|logout|confirm|inactive|reset|reauthenticate|verification|authenticate|trust|mfa_login|mfa_signup"
    )
    pages = {name for name in own if not entrance.search(name)}
    assert pages - {"mfa_download_recovery_codes"} <= set(_PAGES)
