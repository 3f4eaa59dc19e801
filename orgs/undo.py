"""An offer to take back what was just done, in the message that says that it was done.

What is needed for it travels signed in the page and is good for some minutes, for the person who did it alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core import signing

from orgs.http import PersonRequest

GOOD_FOR = timedelta(minutes=10)
SALT = "orgs.undo"
MARK = "undo"


def offer_undo(request: PersonRequest, sentence: str, *, address: str, **what: Any) -> None:
    """Say `sentence`, with a button that posts to `address`; the view there gets `what` (as JSON) by `undone`."""
    token = signing.dumps({"by": request.user.pk, **what}, salt=SALT + address, compress=True)
    messages.success(request, sentence, extra_tags=f"{MARK} {address} {token}")


def undone(request: PersonRequest) -> dict[str, Any] | None:
    """Return what was given to `offer_undo` for this address; None if it is not theirs or too old."""
    try:
        what: dict[str, Any] = signing.loads(request.POST.get("undo", ""), salt=SALT + request.path, max_age=GOOD_FOR)
    except signing.BadSignature:
        return None
    return what if what.pop("by") == request.user.pk else None
