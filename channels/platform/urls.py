"""The embedded platform's addresses: ThingSpeak's, at the site's root."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, path, register_converter

from channels.platform.api import Endpoint
from channels.platform.views import channels, feeds, history, keys, pages, update


class NumberConverter:
    """A number of any length; what is too long for the database is 0, which nothing has."""

    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        return int(value) if len(value) < 19 else 0

    def to_url(self, value: int) -> str:
        return str(value)


class FieldConverter(NumberConverter):
    """The number of a field, written `1` or `field1`."""

    regex = "(?:field)?[0-9]+"

    def to_python(self, value: str) -> int:
        return super().to_python(value.removeprefix("field"))


class SuffixConverter:
    """The format at the end of an address: nothing, `.json`, `.xml`, `.csv` or `.txt`. A last slash says nothing."""

    regex = "(?:[.][a-z]{1,5})?/?"

    def to_python(self, value: str) -> str:
        return value.strip("./")

    def to_url(self, value: str) -> str:
        return f".{value}" if value else ""


register_converter(NumberConverter, "number")
register_converter(FieldConverter, "field")
register_converter(SuffixConverter, "suffix")


def _readings() -> Iterator[URLPattern]:
    """A channel's feed, under today's names and those of the first years, as a whole and field by field."""
    for feed_name, field_name in (("feeds", "fields"), ("feed", "field")):
        whole, field = f"channels/<number:number>/{feed_name}", f"channels/<number:number>/{field_name}/<field:field>"
        name = feed_name == "feeds"
        yield path(f"{whole}<suffix:suffix>", feeds.whole_feed, name="platform-feed" if name else None)
        yield path(f"{field}<suffix:suffix>", feeds.field_feed, name="platform-field" if name else None)
        for prefix in (whole, field):
            yield path(f"{prefix}/last<suffix:suffix>", feeds.last_entry)
            yield path(f"{prefix}/last_data_age<suffix:suffix>", feeds.last_data_age)
            yield path(f"{prefix}/last_sum<suffix:suffix>", feeds.last_sum)
            yield path(f"{prefix}/last_average<suffix:suffix>", feeds.last_average)
            yield path(f"{prefix}/last_median<suffix:suffix>", feeds.last_median)
            yield path(f"{prefix}/<number:entry><suffix:suffix>", feeds.entry_by_id)
            yield path(f"{prefix}/entry/<number:entry><suffix:suffix>", feeds.entry_by_id)


def _named(route: str, view: Endpoint, name: str) -> URLPattern:
    return path(route, view, name=f"platform-{name}")


urlpatterns: list[URLPattern] = [
    _named("update<suffix:suffix>", update.update, "update"),
    *_readings(),
    _named("channels/<number:number>/bulk_update<suffix:suffix>", update.bulk_update, "bulk-update"),
    _named("channels/<number:number>/status<suffix:suffix>", feeds.status_feed, "status"),
    path("channels/<number:number>/statuses<suffix:suffix>", feeds.status_feed),
    path("channels/<number:number>/status/last<suffix:suffix>", feeds.status_last),
    path("channels/<number:number>/statuses/last<suffix:suffix>", feeds.status_last),
    _named("channels/<number:number>/charts/<field:field><suffix:suffix>", pages.chart_page, "chart"),
    _named("stream/channels/<number:number>/feeds<suffix:suffix>", history.export_channel, "export"),
    _named("channels<suffix:suffix>", channels.channels, "channels"),
    _named("channels/public<suffix:suffix>", channels.public_channels, "public-channels"),
    _named("channels/<number:number><suffix:suffix>", channels.one_channel, "channel"),
    _named("channels/<number:number>/api_keys<suffix:suffix>", keys.api_keys, "api-keys"),
    _named("channels/<number:number>/api_keys/<slug:key><suffix:suffix>", keys.api_key, "api-key"),
    _named("users/new_api_key<suffix:suffix>", keys.new_api_key, "new-api-key"),
    _named("users/<slug:login><suffix:suffix>", channels.user_info, "user"),
    _named("users/<slug:login>/channels<suffix:suffix>", channels.user_channels, "user-channels"),
]
