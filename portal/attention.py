"""What waits for an operator: on the first page of the administration, each with a link to the list of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import ngettext
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from channels.models import PlatformAccount, Renewal
from channels.renewal_models import OPEN
from devices.models import Closure, RollOver
from orgs.operators import InTheWayFilter
from portal.letters import Letter


@dataclass(frozen=True)
class Matter:
    """Something that waits, in a sentence, and where it can be looked at."""

    words: str
    url: str


def matters(*, may_see: Callable[[type[models.Model]], bool]) -> list[Matter]:
    """Return what waits for an operator, of the lists that they may see: one query each, however many there are."""

    def count(waiting: models.QuerySet[Any]) -> int:
        return waiting.count() if may_see(waiting.model) else 0

    stuck = {InTheWayFilter.parameter_name: "yes"}
    refused = count(PlatformAccount.objects.filter(state=PlatformAccount.State.REFUSED))
    letters = count(Letter.objects.held_up())
    renewals = count(Renewal.objects.filter(state__in=OPEN).exclude(trouble=""))
    moves = count(RollOver.objects.open().exclude(trouble=""))
    closures = count(Closure.objects.exclude(trouble=""))
    failed = count(DBTaskResult.objects.filter(status=TaskResultStatus.FAILED))
    said = (
        _matter(
            refused,
            ngettext(
                "The channel platform refuses the account key of {n} customer: new devices get no channel there.",
                "The channel platform refuses the account keys of {n} customers: new devices get no channel there.",
                refused,
            ),
            "channels_platformaccount",
            {"state__exact": PlatformAccount.State.REFUSED},
        ),
        _matter(
            letters,
            ngettext(
                "The mail server has not taken {n} mail yet. It is tried again.",
                "The mail server has not taken {n} mails yet. They are tried again.",
                letters,
            ),
            "portal_letter",
            stuck,
        ),
        _matter(
            renewals,
            ngettext(
                "Something is in the way of {n} renewal of a write key.",
                "Something is in the way of {n} renewals of write keys.",
                renewals,
            ),
            "channels_renewal",
            stuck,
        ),
        _matter(
            moves,
            ngettext(
                "Something is in the way of {n} move to a new channel.",
                "Something is in the way of {n} moves to new channels.",
                moves,
            ),
            "devices_rollover",
            stuck,
        ),
        _matter(
            closures,
            ngettext(
                "{n} customer cannot be closed as long as something is in the way.",
                "{n} customers cannot be closed as long as something is in the way.",
                closures,
            ),
            "devices_closure",
            stuck,
        ),
        _matter(
            failed,
            ngettext(
                "{n} piece of background work has failed for good.",
                "{n} pieces of background work have failed for good.",
                failed,
            ),
            "django_tasks_database_dbtaskresult",
            {"status__exact": TaskResultStatus.FAILED},
        ),
    )
    return [matter for matter in said if matter is not None]


def _matter(n: int, words: str, page: str, filters: dict[str, str]) -> Matter | None:
    url = f"{reverse(f'admin:{page}_changelist')}?{urlencode(filters)}"
    return Matter(words.format(n=n), url) if n else None
