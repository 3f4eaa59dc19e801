"""What templates need to show things as people know them: form controls, and the names of browsers."""

from __future__ import annotations

from django import template
from django.contrib.messages.storage.base import Message
from django.forms import BoundField, CheckboxInput, RadioSelect, Select
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orgs import undo as orgs_undo

register = template.Library()


@register.filter
def kind(field: BoundField) -> str:
    """Return how a field is laid out: "choices" (one label each), "checkbox" (label after the box) or "text"."""
    widget = field.field.widget
    if isinstance(widget, RadioSelect):  # CheckboxSelectMultiple is one too
        return "choices"
    return "checkbox" if isinstance(widget, CheckboxInput) else "text"


@register.simple_tag
def control(field: BoundField) -> SafeString:
    """Return the field's control with Bootstrap's classes added to those it has and without placeholder."""
    widget = field.field.widget
    if isinstance(widget, CheckboxInput):
        own = "form-check-input"
    else:
        own = "form-select" if isinstance(widget, Select) else "form-control"
    classes = [widget.attrs.get("class", ""), own, "is-invalid" if field.errors else ""]
    # False leaves an attribute out, see django/forms/widgets/attrs.html.
    return field.as_widget(attrs={"class": " ".join(filter(None, classes)), "placeholder": False})


@register.filter
def undo(message: Message) -> dict[str, str] | None:
    """Return how the thing that `message` tells of can be taken back: `address` and `token`, see `orgs.undo`."""
    match (message.extra_tags or "").split(" "):
        case [orgs_undo.MARK, address, token]:
            return {"address": address, "token": token}
    return None


# The first that is named wins: nearly every browser also names the ones that it wants to be taken for.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser(user_agent: str) -> str:
    """Return "Firefox on Android" for a User-Agent header, as far as it is one that people know."""
    name = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if name and system:
        return _("%(browser)s on %(system)s") % {"browser": name, "system": system}
    return name or system or _("Unknown browser")
