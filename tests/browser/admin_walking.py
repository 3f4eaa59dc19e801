"""Every address of the administration: found by walking the url conf, filled in with objects of each model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import APIResponse

Route = str
Examples = Mapping[str, list[str]]
"""The places in addresses of some objects of each model, by its label: `{"orgs.User": ["1", "7"]}`."""
_START = "admin/"
_OBJECT = re.compile(r"<(?:path:object_)?id>")
_APP = re.compile(r"\(\?P<app_label>([^)]*)\)")


def routes() -> list[Route]:
    """Return all routes of the administration, as the url conf has them."""
    return sorted(set(_walk(get_resolver().url_patterns, "")))


def _walk(patterns: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        elif route.startswith(_START):
            yield route


def addresses(route: Route, examples: Examples) -> list[str]:
    """Return the addresses to try for a route: with each of the examples, if it is about an object."""
    route = "/" + route.removesuffix("$")
    if apps := _APP.search(route):
        return [_APP.sub(app, route) for app in apps[1].split("|")]
    if "<path:content_type_id>" in route:
        return ["/admin/r/1/1/"]
    if "(?P<url>" in route:
        return ["/admin/nothing/here/"]
    if _OBJECT.search(route):
        return [_OBJECT.sub(pk, route) for pk in examples[_model(route)]]
    return [route]


def _model(route: str) -> str:
    app, name = route.split("/")[2:4]
    # Django calls the address of a new password by its own model, whatever stands in for that.
    return get_user_model()._meta.label_lower if (app, name) == ("auth", "user") else f"{app}.{name}"


def lists() -> dict[str, str]:
    """Return the address of the list of each model, by the model's label."""
    models = (model._meta for model in admin.site._registry)
    return {one.label: f"/{_START}{one.app_label}/{one.model_name}/" for one in models}


def is_page(answer: APIResponse) -> bool:
    """Tell whether an answer is a page for people; refusals look alike and are looked at once, by the test of those."""
    return answer.status == 200 and answer.text().lstrip()[:15].lower() == "<!doctype html>"


def is_no_page(answer: APIResponse) -> bool:
    """Tell whether an answer is surely none: a redirect, a refusal, or something for scripts."""
    if answer.status in (301, 302, 403, 404, 405):
        return True
    return answer.status == 200 and answer.headers["content-type"].split(";")[0] in (
        "application/json",
        "text/javascript",
    )
