"""Changing something while nobody else does: what a form compares with is then what it is about to replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest

M = TypeVar("M", bound=Model)


def lock_row(thing: Model) -> None:
    """Make everybody else who locks or writes the row of `thing` wait until the running transaction ends."""
    # SQLite has no row locks; there BEGIN IMMEDIATE (see DATABASES) makes the whole transaction the only writer.
    # As in `orgs.tree`, rows that refer to this one are stored meanwhile.
    rows = type(thing)._default_manager.select_for_update(no_key=True)
    list(rows.filter(pk=thing.pk).order_by().values_list("pk"))


@contextmanager
def alone_with(request: HttpRequest, find: Callable[[], M], *, lock: Callable[[M], None] = lock_row) -> Iterator[M]:
    """Return what `find` finds; when a form was sent, in a transaction, locked, and as it is once that is locked.

    A form that is made from it has therefore compared with what is stored (see `EditForm`), and whoever sent theirs
    in the same moment is told. `find` is asked before the lock as well: nobody locks what is not theirs to change.
    """
    found = find()
    if request.method != "POST":
        yield found
        return
    with transaction.atomic():
        lock(found)
        yield find()
