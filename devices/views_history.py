"""The page of a device's history: download all of it, or add to it from a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from channels.platforms import FileRefused, PlatformError
from devices import history
from devices.models import Device
from orgs import access, audit
from orgs.http import PersonRequest, breadcrumbs

EXAMPLE = "created_at,field1\n2026-04-01 10:00:00,20.5\n2026-04-01T10:05:00+02:00,20.7"


class HistoryForm(forms.Form):
    """A file of measurements."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        error_messages={"empty": gettext_lazy("The file is empty. Please choose another one.")},
    )

    def clean_file(self) -> bytes:
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > history.MOST_BYTES:
            raise forms.ValidationError(
                _("The file is larger than {size} MiB. Split it into several.").format(size=history.MOST_BYTES >> 20)
            )
        content: bytes = file.read()
        return content


def _visible(request: PersonRequest, pk: int) -> Device:
    devices = Device.objects.visible_to(request.user).select_related("organization", "channel__account")
    return get_object_or_404(devices, pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def history_of(request: PersonRequest, pk: int) -> HttpResponse:
    """Offer the whole history as a file, and to managers a form that adds a file to it."""
    device = _visible(request, pk)
    may_manage = access.may_manage(request.user, device.organization)
    may_import = may_manage and device.channel is not None and device.channel.account.on_platform.can_import
    if request.method == "POST" and not may_import:
        raise Http404
    form = HistoryForm(request.POST, request.FILES) if request.method == "POST" else HistoryForm()
    if form.is_valid() and _is_stored(request, device, form):
        return redirect("device_history", pk)
    context = {
        "device": device,
        "form": form,
        "may_manage": may_manage,
        "may_import": may_import,
        "example": EXAMPLE,
        "zone": timezone.get_current_timezone_name(),
        "breadcrumbs": breadcrumbs(request.user, device.organization, device, _("All measurements")),
    }
    return render(request, "devices/history.html", context)


def _is_stored(request: PersonRequest, device: Device, form: HistoryForm) -> bool:
    """Store the file, or say on the form why it is not."""
    zone, address = timezone.get_current_timezone(), audit.address_of(request)
    try:
        count = history.add(device, form.cleaned_data["file"], zone=zone, by=request.user, address=address)
    except FileRefused as refused:
        form.add_error("file", str(refused))
    except PlatformError:
        form.add_error(
            None,
            _("The channel platform is out of reach at the moment. Nothing was stored. Please try again in a minute."),
        )
    else:
        said = ngettext("{count} measurement was added.", "{count} measurements were added.", count)
        messages.success(request, said.format(count=count))
        return True
    return False


@never_cache
@require_safe
def history_csv(request: PersonRequest, pk: int) -> HttpResponseBase:
    """Send all of the history, while it is read."""
    device = _visible(request, pk)
    if device.channel is None:
        raise Http404
    try:
        lines = history.csv_of(device.channel)
    except PlatformError:
        messages.error(request, _("The channel platform is out of reach at the moment. Please try again in a minute."))
        return redirect("device_history", pk)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, f"{device}.csv")
    return response
