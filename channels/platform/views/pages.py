"""Pages for people: a channel, and one of its charts."""

from __future__ import annotations

from django.http.response import HttpResponseBase

from channels.platform.api import Call
from channels.platform.models import Channel


def channel(call: Call, found: Channel | None) -> HttpResponseBase:
    raise NotImplementedError
