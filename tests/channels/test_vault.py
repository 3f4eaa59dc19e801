"""Secrets at rest."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from channels import vault
from channels.models import ChannelKey, PlatformAccount
from devices.models import RegistrationKey
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory


def test_a_dump_of_the_database_reveals_no_key(simpsons: Cast) -> None:
    RegistrationKeyFactory(organization=simpsons.home)
    secrets = {key.value for key in ChannelKey.objects.all()}
    secrets |= {account.key for account in PlatformAccount.objects.all()}
    secrets |= {key.secret for key in RegistrationKey.objects.all()}
    secrets |= {key.envelope_key_base64 for key in RegistrationKey.objects.all()}
    assert len(secrets) > 8
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            dump = repr(cursor.fetchall())
            assert not [secret for secret in secrets if secret in dump], table


def test_old_keys_decrypt_and_the_first_encrypts(settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    stored = vault.encrypt("1JWORF43")
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert vault.decrypt(stored) == "1JWORF43"
    renewed = vault.reencrypt(stored)
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert vault.decrypt(renewed) == "1JWORF43"
    with pytest.raises(vault.CannotDecrypt):
        vault.decrypt(stored)


def test_a_key_that_is_no_fernet_key_is_said_so(settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = ["too-short"]
    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEYS"):
        vault.encrypt("x")


def test_the_hash_depends_on_its_key(settings) -> None:
    before = vault.keyed_hash("AAAA")
    assert before == vault.keyed_hash("AAAA") != vault.keyed_hash("AAAB")
    settings.LOOKUP_HASH_KEY = "another"
    assert vault.keyed_hash("AAAA") != before


@pytest.mark.django_db
def test_an_encrypted_column_cannot_be_searched_by_mistake() -> None:
    with pytest.raises(TypeError, match="encrypted"):
        ChannelKey.objects.filter(value="AAAA").exists()
