"""What is done in the background."""

from __future__ import annotations

from pathlib import PurePath

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_tasks import task

from orgs.readers import as_read_by, mail_to
from portal import mail
from portal.take_out_file import advance
from portal.take_outs import STUCK_AFTER, TakeOut, folder


@task(priority=10)
def send_letter(pk: int) -> str:
    """Send a mail that waits; before all else, since somebody sits and waits for the link in it."""
    return mail.post(pk)


@task()
def prepare_take_out(pk: int) -> str:
    """Do one step at somebody's take-out and come back for the next; return its state.

    Should the process die in the middle, it begins anew when its time is over.
    """
    take_out = TakeOut.objects.in_the_making().filter(pk=pk).select_related("user").first()
    if take_out is None:
        return "gone"
    prepare_stuck_take_out.using(run_after=timezone.now() + STUCK_AFTER * 1.1).enqueue(pk)
    with as_read_by(take_out.user):
        if advance(take_out):
            prepare_take_out.enqueue(pk)
        elif not _hand_over(take_out):
            return "gone"
    return str(take_out.state)


@task()
def prepare_stuck_take_out(pk: int) -> str:
    """Begin anew if nobody has been at work for long; return the state."""
    take_out = TakeOut.objects.in_the_making().filter(pk=pk).first()
    if take_out is None or not take_out.is_stuck:
        return "fine"
    take_out.begin_anew()
    prepare_take_out.enqueue(pk)
    return str(take_out.state)


@transaction.atomic
def _hand_over(take_out: TakeOut) -> bool:
    if not take_out.hand_over():
        return False
    delete_take_out.using(run_after=take_out.ends_at).enqueue(take_out.pk, take_out.file)
    link = settings.PUBLIC_URL + reverse("my_data")
    body = render_to_string("portal/mail/take_out.txt", {"take_out": take_out, "link": link})
    mail_to(take_out.user.email, _("Your data are ready"), body)
    return True


@task()
def delete_take_out(pk: int, file: str) -> None:
    """Delete the file, also when its person is gone by now."""
    (folder() / PurePath(file).name).unlink(missing_ok=True)
    TakeOut.objects.filter(pk=pk).delete()
