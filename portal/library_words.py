"""What operators read of the models of libraries, in words that can be translated.

Some libraries name their models in English alone, by the names of classes. Those are named here, over what the library
says. Where it names things in texts that can be translated, and brings no German, the very same texts are listed: so
they stand in our catalog, which is asked before that of a library.

Migrations do not notice: they compare what a model was declared with, and that stays.
"""

from __future__ import annotations

from django.apps import apps
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

ROOMS = {
    "mfa": _("Second factors"),
    "django_tasks_database": _("Background work"),
}
"""What libraries are called in the paths above pages, by the label of the app."""

MODELS = {
    "mfa.authenticator": (_("second factor"), _("second factors")),
    "django_tasks_database.dbtaskresult": (_("background task"), _("background tasks")),
}
"""What one and what many are called, by the label of the model."""

FIELDS = {
    "mfa.authenticator": {
        "user": _("person"),
        "type": _("kind"),
        "created_at": _("created"),
        "last_used_at": _("last used"),
    },
    "django_tasks_database.dbtaskresult": {
        "id": _("number"),
        "enqueued_at": _("asked for"),
        "run_after": _("not before"),
        "started_at": _("begun"),
        "finished_at": _("finished"),
        "priority": _("priority"),
        "task_path": _("task"),
        "exception_class_path": _("error"),
    },
}
"""What the columns are called that operators see."""

OF_LIBRARIES = (
    _("status"),
    _("TOTP Authenticator"),
    _("WebAuthn"),
    pgettext_lazy("Task", "Ready"),
    pgettext_lazy("Task", "Running"),
    pgettext_lazy("Task", "Failed"),
    pgettext_lazy("Task", "Successful"),
)
"""Texts of libraries as these have them."""


def name() -> None:
    """Give the models of libraries these names. To be called once, when all apps are there."""
    for label, room in ROOMS.items():
        apps.get_app_config(label).verbose_name = room
    for label, (one, many) in MODELS.items():
        options = apps.get_model(label)._meta
        options.verbose_name, options.verbose_name_plural = one, many
    for label, words in FIELDS.items():
        fields = {field.name: field for field in apps.get_model(label)._meta.fields}
        for name_of_field, said in words.items():
            fields[name_of_field].verbose_name = said
