"""What a bare Django view costs: the measure that the portal's figures are divided by.

No middleware, no REST framework, nothing but a URL pattern, a view and the ORM, with the portal's database settings.
gunicorn serves `bench.reference:application`; `python -m bench.reference COUNT` makes the tables and COUNT rows.
"""

from __future__ import annotations

import sys

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

if not settings.configured:
    from portal.settings import DATABASES

    settings.configure(
        DATABASES=DATABASES,
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["127.0.0.1"],
        SECRET_KEY="bench",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.utils import timezone


class Thing(models.Model):
    key = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        app_label = "bench_reference"

    def __str__(self) -> str:
        return self.name


class Reading(models.Model):
    thing = models.ForeignKey(Thing, on_delete=models.CASCADE)
    value = models.CharField(max_length=255)
    created_at = models.DateTimeField()

    class Meta:
        app_label = "bench_reference"

    def __str__(self) -> str:
        return self.value


def one_select(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Thing.objects.get(key=request.GET["key"]).name)


def select_and_insert(request: HttpRequest) -> HttpResponse:
    thing = Thing.objects.get(key=request.GET["key"])
    reading = Reading.objects.create(thing=thing, value=request.GET["value"], created_at=timezone.now())
    return HttpResponse(str(reading.pk))


def three_inserts(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    with transaction.atomic():
        thing = Thing.objects.create(key=request.GET["key"], name="new")
        Reading.objects.create(thing=thing, value="1", created_at=now)
        Reading.objects.create(thing=thing, value="2", created_at=now)
    return HttpResponse(str(thing.pk))


urlpatterns = [
    path("one-select", one_select),
    path("select-and-insert", select_and_insert),
    path("three-inserts", three_inserts),
]
application = get_wsgi_application()


def key_of(number: int) -> str:
    """The key of the thing with that number, as long as a keyed hash."""
    return f"{number:064x}"


def build(count: int) -> None:
    """Make the tables, and `count` things to find."""
    with connection.schema_editor() as editor:
        editor.create_model(Thing)
        editor.create_model(Reading)
    Thing.objects.bulk_create([Thing(key=key_of(n), name=f"thing {n}") for n in range(count)], batch_size=1000)


if __name__ == "__main__":
    build(int(sys.argv[1]))
