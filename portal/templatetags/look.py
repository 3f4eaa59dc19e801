"""What templates need to show things as people know them: form controls, and the names of browsers."""

from __future__ import annotations

from django import template
from django.contrib.messages.storage.base import Message
from django.forms import BoundField, CheckboxInput, RadioSelect, Select
from django.utils.safestring import SafeString

from orgs import undo as orgs_undo
from portal.browsers import name_of

register = template.Library()


@register.filter
def kind(field: BoundField) -> str:
    """Return how a field is laid out: "choices" (one label each), "checkbox" (label after the box) or "text"."""
    widget = field.field.widget
    if isinstance(widget, RadioSelect):  # CheckboxSelectMultiple is one too
        return "choices"
    return "checkbox" if isinstance(widget, CheckboxInput) else "text"


@register.filter
def may_stay_empty(field: BoundField) -> bool:
    """Return whether to say "optional": not where something is chosen from the beginning, nor of one of two ways.

    A form that wants one of several fields marks them with `one_of_several`.
    """
    is_preset = isinstance(field.field.widget, RadioSelect) and field.value() not in (None, "")
    return not (field.field.required or is_preset or getattr(field.field, "one_of_several", False))


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


register.filter("browser", name_of)
