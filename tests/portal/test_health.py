"""Whether the portal says so when a part of it does not work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from django_tasks.signals import task_finished
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from devices.management.commands.worker import enqueue_due, say_at_work
from orgs.models import User
from tests.factories import PASSWORD

# The worker closes its connections.
pytestmark = pytest.mark.django_db(transaction=True)

NO_CACHE = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}}


def run_worker() -> None:
    """Let a real worker do what is due, as often as it looks."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)}
    enqueue_due({"sync": timedelta(0)})
    try:
        call_command("worker", batch=True, verbosity=0, startup_delay=False, interval=0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        task_finished.disconnect(say_at_work)


@contextmanager
def no_database() -> Iterator[None]:
    def fail(execute, sql, params, many, context):
        raise DatabaseError

    with connection.execute_wrapper(fail):
        yield


def test_a_load_balancer_hears_that_all_is_well_and_nothing_else(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies


def test_without_a_database_or_a_cache_a_web_server_is_to_be_left_alone(client: Client, settings: Settings) -> None:
    with no_database():
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (503, {"status": "failing"})
    settings.CACHES = NO_CACHE
    assert client.get("/healthz").status_code == 503


def test_a_worker_that_does_not_run_is_reported_and_takes_no_web_server_out_of_service(client: Client) -> None:
    assert client.get("/healthz/worker").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_worker_that_has_done_something_lately_is_well_and_is_missed_when_it_ends(client: Client) -> None:
    run_worker()
    assert DBTaskResult.objects.finished().exists()
    assert client.get("/healthz/worker").json() == {"status": "ok"}
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert client.get("/healthz/worker").status_code == 503


def test_without_a_database_nobody_knows_of_the_worker(client: Client) -> None:
    with no_database():
        assert client.get("/healthz/worker").status_code == 503


def test_the_command_names_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="Failing: worker"):
        call_command("health")
    run_worker()
    call_command("health")
    assert capsys.readouterr().out.endswith("database: ok\ncache: ok\nworker: ok\n")


def test_operators_are_told_where_they_begin(client: Client, settings: Settings) -> None:
    settings.STAFF_NEED_SECOND_FACTOR = False
    client.force_login(User.objects.create_superuser("operator@example.com", PASSWORD))
    assert "The background worker does not run" in client.get("/admin/").content.decode()
    run_worker()
    assert "The background worker" not in client.get("/admin/").content.decode()
    with time_machine.travel(timezone.now() + timedelta(minutes=30)):
        assert "has not been heard of for 30" in client.get("/admin/").content.decode()
