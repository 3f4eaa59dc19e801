"""How a form's controls get the classes of the stylesheet; used by `templates/_field.html` alone."""

from __future__ import annotations

from django import template
from django.forms import BoundField, CheckboxInput, RadioSelect, Select
from django.utils.safestring import SafeString

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
