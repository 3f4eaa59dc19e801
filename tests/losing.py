"""Secrets at rest whose encryption key is gone, and comes back."""

from __future__ import annotations

from cryptography.fernet import Fernet
from django.db import connection, models


def lose(row: models.Model, column: str) -> str:
    """Encrypt what the column holds under a key that nobody has; return what was there."""
    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE id = %s", [row.pk])
        before: str = cursor.fetchone()[0]
        lost = Fernet(Fernet.generate_key()).encrypt(b"LOST").decode()
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [lost, row.pk])
    return before


def bring_back(row: models.Model, column: str, stored: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET {column} = %s WHERE id = %s", [stored, row.pk])
