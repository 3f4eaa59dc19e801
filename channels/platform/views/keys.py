"""Key operations, which the original has only on its web pages: list, add, rotate, annotate, revoke.

All need the account key. A key in an address ends up in logs, so a key is also named by its id in the list.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http.response import HttpResponseBase

from channels.platform import answers, times
from channels.platform.api import Call, endpoint
from channels.platform.errors import BAD_REQUEST, CONFLICT, NOT_FOUND, ApiError
from channels.platform.models import Account, ApiKey, Channel

MOST_OVERLAP = timedelta(days=365)


def listed(call: Call, number: int) -> HttpResponseBase:
    """GET /channels/ID/api_keys.json: the keys that are good, the retiring write key among them."""
    channel = call.own_channel(number)
    good = [_shown(key) for key in channel.api_keys.all() if key.is_good_at(call.now)]
    if call.format == "xml":
        return answers.answer(answers.xml("api-keys", good), "xml")
    return answers.json_answer(good)


def add(call: Call, number: int) -> HttpResponseBase:
    """POST /channels/ID/api_keys.json: add a read key, or with `write=1` replace the write key.

    `note` (at most 255 characters) belongs to a read key, `overlap` (seconds, 0 if absent) is how long the old write
    key stays good.
    """
    channel = call.own_channel(number)
    if call.parameters.flag("write"):
        return _answered(call, channel.rotate_write_key(overlap=_overlap(call), at=call.now))
    return _answered(call, ApiKey.objects.issue(channel, writes=False, note=_note(call), at=call.now))


def annotate(call: Call, number: int, key: str) -> HttpResponseBase:
    """PUT /channels/ID/api_keys/KEY.json: change the key's `note`."""
    found = _found(call, call.own_channel(number), key)
    found.note = _note(call)
    found.save(update_fields=["note"])
    return _answered(call, found)


def revoke(call: Call, number: int, key: str) -> HttpResponseBase:
    """DELETE /channels/ID/api_keys/KEY.json: end a read key or a retiring write key at once."""
    found = _found(call, call.own_channel(number), key)
    if found.writes and found.expires_at is None:
        raise ApiError(CONFLICT, "A channel always has a write key. Replace it: POST api_keys with write=1.")
    found.end(at=call.now)
    found.refresh_from_db()
    return _answered(call, found)


def renew_account_key(call: Call) -> HttpResponseBase:
    """POST /users/new_api_key.json: replace the account key. The old one is dead at once."""
    account: Account = call.account()
    shown = {"login": account.login, "api_key": account.renew_key()}
    if call.format == "xml":
        return answers.answer(answers.xml("user", shown), "xml")
    return answers.json_answer(shown)


def _found(call: Call, channel: Channel, name: str) -> ApiKey:
    """The key that `name` is, or whose id it is: ids are never as long as a key."""
    keys = channel.api_keys
    found = keys.filter(pk=int(name)).first() if name.isdecimal() and len(name) < 16 else keys.find(name)
    if found is None:
        raise ApiError(NOT_FOUND)
    return found


def _overlap(call: Call) -> timedelta:
    text = call.parameters.text("overlap") or "0"
    if not text.isdecimal() or len(text) > 9 or timedelta(seconds=int(text)) > MOST_OVERLAP:
        raise ApiError(BAD_REQUEST, f"overlap must be whole seconds, at most {MOST_OVERLAP.total_seconds():.0f}.")
    return timedelta(seconds=int(text))


def _note(call: Call) -> str:
    note = call.parameters.text("note") or ""
    if len(note) > 255:
        raise ApiError(BAD_REQUEST, "note is longer than 255 characters.")
    return note


def _shown(key: ApiKey) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": key.pk, "api_key": key.value, "write_flag": key.writes, "note": key.note or None}
    for name in ("created_at", "last_used_at", "expires_at"):
        moment = getattr(key, name)
        shown[name] = times.iso(moment) if moment else None
    return shown


def _answered(call: Call, key: ApiKey) -> HttpResponseBase:
    if call.format == "xml":
        return answers.answer(answers.xml("api-key", _shown(key)), "xml")
    return answers.json_answer(_shown(key))


api_keys = endpoint(GET=listed, POST=add)
api_key = endpoint(PUT=annotate, DELETE=revoke)
new_api_key = endpoint(POST=renew_account_key)
