"""Managing channels over HTTP: mine, everybody's, one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import cos, radians
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http.response import HttpResponseBase

from channels.platform import answers, presenting, reading, settings_form, times
from channels.platform.api import Call, endpoint
from channels.platform.errors import NOT_FOUND, PAYMENT_REQUIRED, ApiError, ReadRefused
from channels.platform.models import Account, Channel, ChannelLimit
from channels.platform.views import pages

PER_PAGE = 15
# The public list shows what is alive, as the original's does.
_ACTIVE = timedelta(days=7)
_KM_PER_DEGREE = 111.2


def mine(call: Call) -> HttpResponseBase:
    """GET /channels: all channels of the account, as a bare array."""
    channels = call.account().channels.with_details().with_keys().order_by("number")
    if tag := call.parameters.text("tag"):
        channels = channels.filter(tags__name=tag)
    return _listed(call, [presenting.own_channel(channel) for channel in channels])


def create(call: Call) -> HttpResponseBase:
    """POST /channels: create a channel; the answer holds its number and keys."""
    account = call.account()
    sent = call.parameters.values
    changes = settings_form.read(sent)
    changes.setdefault("field1", "Field Label 1")
    try:
        with transaction.atomic():
            channel = Channel.objects.open(account, **changes)
            settings_form.save_tags(channel, sent)
    except ChannelLimit:
        raise ApiError(
            PAYMENT_REQUIRED, f"The account's plan allows {account.plan.channels} channels, and it has them."
        ) from None
    return _shown(call, presenting.own_channel(Channel.objects.with_details().get(pk=channel.pk)))


def view(call: Call, number: int) -> HttpResponseBase:
    """GET /channels/ID: all of it for the owner, what is public for whoever may read it, a page for a browser."""
    channel = Channel.objects.with_details().filter(number=number).first()
    if call.wants_page:
        return pages.channel(call, channel, number)
    if channel is None:
        raise ApiError(NOT_FOUND)
    account = Account.objects.with_key(call.parameters.key) if call.parameters.key else None
    if account is not None and account.pk == channel.account_id:
        return _shown(call, presenting.own_channel(channel))
    if not reading.may_read(channel, call.parameters.key):
        raise ReadRefused
    return _shown(call, presenting.public_channel(channel))


def update(call: Call, number: int) -> HttpResponseBase:
    """PUT /channels/ID: change the settings that are sent."""
    channel = call.own_channel(number)
    sent = call.parameters.values
    changes = settings_form.read(sent)
    for name, value in changes.items():
        setattr(channel, name, value)
    with transaction.atomic():
        channel.save(update_fields=list(changes))
        settings_form.save_tags(channel, sent)
    return _shown(call, presenting.own_channel(Channel.objects.with_details().get(pk=number)))


def delete(call: Call, number: int) -> HttpResponseBase:
    """DELETE /channels/ID: delete it with all its entries; the answer is the channel as it was, without keys."""
    channel = call.own_channel(number)
    shown = presenting.public_channel(channel)
    channel.discard()
    return _shown(call, shown)


def clear(call: Call, number: int) -> HttpResponseBase:
    """DELETE /channels/ID/feeds: delete all entries."""
    call.own_channel(number).clear()
    if call.format == "xml":
        return answers.answer(answers.xml("nil-classes", []), "xml")
    return answers.json_answer([])


def public(call: Call) -> HttpResponseBase:
    """GET /channels/public: public channels by pages of 15; by tag, user, numbers or place where asked for."""
    asked = call.parameters
    page = asked.whole("page")
    if page is None:
        page = 1
    if not 1 <= page < 10**9:
        raise ApiError(NOT_FOUND)
    channels = _found(call)
    total = channels.count()
    listed = channels.with_details().order_by("-updated_at", "-number")[(page - 1) * PER_PAGE : page * PER_PAGE]
    shown = {
        "pagination": {"current_page": page, "per_page": PER_PAGE, "total_entries": total},
        "channels": [presenting.public_channel(channel) for channel in listed],
    }
    if call.format == "xml":
        return answers.answer(answers.xml("response", shown), "xml")
    return answers.json_answer(shown, callback=asked.text("callback"))


def _found(call: Call) -> Any:
    """The public channels that the parameters name. By number or place all of them, otherwise those in use."""
    asked = call.parameters
    channels = Channel.objects.filter(public=True)
    if numbers := asked.text("channel_ids"):
        wanted = [int(part) for part in numbers.split(",")[:100] if part.strip().isdecimal() and len(part) < 19]
        return channels.filter(number__in=wanted)
    latitude, longitude = asked.real("latitude"), asked.real("longitude")
    if latitude is not None and longitude is not None:
        return _near(channels, latitude, longitude, asked.real("distance") or 1.0)
    channels = channels.filter(latest__last_entry_id__gt=1, latest__last_entry_at__gt=call.now - _ACTIVE)
    if tag := asked.text("tag"):
        channels = channels.filter(tags__name=tag)
    if login := asked.text("username"):
        channels = channels.filter(account__login=login)
    return channels


def _near(channels: QuerySet[Channel], latitude: float, longitude: float, kilometres: float) -> QuerySet[Channel]:
    """Channels in the square around a place: at the few kilometres that are asked for, as good as a circle."""
    latitude = max(-90.0, min(latitude, 90.0))
    longitude = max(-180.0, min(longitude, 180.0))
    height = min(abs(kilometres) / _KM_PER_DEGREE, 180.0)
    width = min(height / max(cos(radians(latitude)), 0.01), 360.0)
    return channels.filter(
        latitude__range=(_degrees(latitude - height), _degrees(latitude + height)),
        longitude__range=(_degrees(longitude - width), _degrees(longitude + width)),
    )


def _degrees(value: float) -> str:
    return f"{max(-999.0, min(value, 999.0)):.6f}"


def of_user(call: Call, login: str) -> HttpResponseBase:
    """GET /users/LOGIN/channels: public channels, with the owner's account key all of them."""
    account = Account.objects.filter(login=login).first()
    if account is None:
        raise ApiError(NOT_FOUND)
    channels = account.channels.with_details().order_by("number")
    if not _is_owner(call, account):
        channels = channels.filter(public=True)
    shown = {"channels": [presenting.public_channel(channel) for channel in channels]}
    if call.format == "xml":
        return answers.answer(answers.xml("response", shown), "xml")
    return answers.json_answer(shown, callback=call.parameters.text("callback"))


def user(call: Call, login: str) -> HttpResponseBase:
    """GET /users/LOGIN."""
    account = Account.objects.filter(login=login).first()
    if account is None:
        raise ApiError(NOT_FOUND)
    shown = {"id": account.pk, "login": account.login, "created_at": times.iso(account.created_at)}
    if call.format == "xml":
        return answers.answer(answers.xml("user", shown), "xml")
    return answers.json_answer(shown, callback=call.parameters.text("callback"))


def _is_owner(call: Call, account: Account) -> bool:
    key = call.parameters.key
    return bool(key) and Account.objects.with_key(key) == account


def _shown(call: Call, channel: Mapping[str, Any]) -> HttpResponseBase:
    if call.format == "xml":
        return answers.answer(answers.xml("channel", channel), "xml")
    return answers.json_answer(channel, callback=call.parameters.text("callback"))


def _listed(call: Call, channels: Sequence[Mapping[str, Any]]) -> HttpResponseBase:
    if call.format == "xml":
        return answers.answer(answers.xml("channels", list(channels)), "xml")
    return answers.json_answer(channels, callback=call.parameters.text("callback"))


channels = endpoint(GET=mine, POST=create)
one_channel = endpoint(GET=view, PUT=update, PATCH=update, DELETE=delete)
public_channels = endpoint(GET=public)
user_channels = endpoint(GET=of_user)
user_info = endpoint(GET=user)
