"""Whether the portal works: for load balancers, for monitoring, and for operators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from channels.chores import Chore
from devices.management.commands.worker import AT_WORK, MISSED_AFTER


def database_answers() -> bool:
    """Whether a query is answered."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone())
    except DatabaseError:
        return False


def cache_answers() -> bool:
    """Whether what is put into the cache is found there again."""
    name, value = f"health:{uuid4()}", uuid4().hex
    try:
        cache.set(name, value, timeout=10)
        return bool(cache.get(name) == value)
    except Exception:  # noqa: BLE001  Each cache has errors of its own: of sockets, of Redis, of its client.
        return False


def worker_is_missing_for() -> timedelta | None:
    """Return for how long no worker has finished anything, or None if one is at work; no time if none ever has."""
    overdue = Chore.overdue(AT_WORK, now=timezone.now())
    return overdue + MISSED_AFTER if overdue else overdue


def worker_works() -> bool:
    """Whether a worker has finished a task within the last minutes; one always has something to do."""
    try:
        return worker_is_missing_for() is None
    except DatabaseError:
        return False


WEB: dict[str, Callable[[], bool]] = {"database": database_answers, "cache": cache_answers}
WORKER: dict[str, Callable[[], bool]] = {"worker": worker_works}


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """For load balancers: whether this web server can serve, `200` or `503`; strangers are not told what is wrong."""
    return _answer(WEB)


@never_cache
@require_safe
def healthz_worker(request: HttpRequest) -> JsonResponse:
    """For monitoring: whether the background work is done. No reason to take a web server out of service."""
    return _answer(WORKER)


def _answer(checks: dict[str, Callable[[], bool]]) -> JsonResponse:
    is_well = all(check() for check in checks.values())
    return JsonResponse({"status": "ok" if is_well else "failing"}, status=200 if is_well else 503)
