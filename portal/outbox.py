"""Mail that is shown on a page instead of being sent: for development and the demo only."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage

KEPT = 200


class OutboxBackend(BaseEmailBackend):
    """Stores messages for the page /outbox/, the newest `KEPT` of them."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        from portal.models import OutboxMessage

        OutboxMessage.objects.bulk_create(
            OutboxMessage(to=", ".join(message.to), subject=str(message.subject), body=str(message.body))
            for message in email_messages
        )
        too_old = OutboxMessage.objects.order_by("-pk").values_list("pk", flat=True)[KEPT:]
        OutboxMessage.objects.filter(pk__in=list(too_old)).delete()
        return len(email_messages)
