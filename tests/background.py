"""The background worker, without its process."""

from __future__ import annotations

from django_tasks_db.models import DBTaskResult


def do_background_work() -> int:
    """Do what is in the queue and due, in this process and in order, until nothing is left; return how much it was."""
    count = 0
    while (row := DBTaskResult.objects.ready().first()) is not None:
        row.claim("test")
        result = row.task_result
        row.set_successful(row.task.call(*result.args, **result.kwargs))
        count += 1
    return count
