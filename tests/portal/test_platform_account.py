"""`manage.py platform_account`: what signing up on ThingSpeak's site is, where this software plays ThingSpeak."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command

from channels.platforms import platform_named


@pytest.mark.django_db
def test_it_prints_the_key_of_a_new_account() -> None:
    keys = []
    for _ in range(2):
        output = io.StringIO()
        call_command("platform_account", "Homer Simpson", stdout=output)
        keys.append(output.getvalue().strip())
        platform_named("embedded").validate_account(keys[-1])
    assert keys[0] != keys[1]
