"""The entries of a channel's feed, and what the newest of them said."""

from __future__ import annotations

from django.db import models

from channels.turns import turn_to_write

FIELDS = range(1, 9)
DELETED_AT_ONCE = 5000
"""Entries: some hundredths of a second, in which no other device writes to SQLite."""


class Values(models.Model):
    """What one write carries. Null is a field that was not sent."""

    field1 = models.TextField(null=True)  # noqa: DJ001  the API tells "" from nothing
    field2 = models.TextField(null=True)  # noqa: DJ001
    field3 = models.TextField(null=True)  # noqa: DJ001
    field4 = models.TextField(null=True)  # noqa: DJ001
    field5 = models.TextField(null=True)  # noqa: DJ001
    field6 = models.TextField(null=True)  # noqa: DJ001
    field7 = models.TextField(null=True)  # noqa: DJ001
    field8 = models.TextField(null=True)  # noqa: DJ001
    # Text, because the API gives them back as they were sent: "40.44".
    latitude = models.TextField(null=True)  # noqa: DJ001
    longitude = models.TextField(null=True)  # noqa: DJ001
    elevation = models.TextField(null=True)  # noqa: DJ001
    status = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        abstract = True


class EntryQuerySet(models.QuerySet["Entry"]):
    def delete_of(self, channel: int) -> None:
        """Delete the entries of the channel with that number, `DELETED_AT_ONCE` at a time.

        Called outside of a transaction each part is one of its own, so that other devices write in between, and what a
        process that dies has done is done. Of what comes in meanwhile some may be left.
        """
        of_channel = self.filter(channel=channel)
        numbers = of_channel.order_by("entry_id").values_list("entry_id", flat=True)
        first = numbers.first()
        while first is not None:
            # From where the last part has ended: PostgreSQL would step over all that was deleted before, each time.
            after = numbers.filter(entry_id__gt=first)[DELETED_AT_ONCE - 1 : DELETED_AT_ONCE].first()
            part = of_channel.filter(entry_id__gte=first)
            with turn_to_write():
                (part if after is None else part.filter(entry_id__lt=after)).delete()
            first = after


class Entry(Values):
    """One entry of a channel's feed. Written and read by `channels.platform.writing` and `reading` as plain rows."""

    pk = models.CompositePrimaryKey("channel_id", "entry_id")
    channel = models.ForeignKey("platform.Channel", on_delete=models.CASCADE, related_name="entries", db_index=False)
    entry_id = models.BigIntegerField()
    created_at = models.DateTimeField()

    objects = EntryQuerySet.as_manager()

    class Meta:
        constraints = [
            # Also the index by which feeds are read. The original refuses a second entry of the same moment, too.
            models.UniqueConstraint(fields=["channel", "created_at"], name="one_entry_a_moment"),
        ]

    def __str__(self) -> str:
        return f"entry {self.entry_id} of channel {self.channel_id}"


class Latest(Values):
    """The counter of a channel's entries and what the newest ones said.

    A table of its own, so that a write touches one narrow row and the last value is read without the feed. `fieldN`
    is the newest value of that field that is not null, `fieldN_id` and `fieldN_at` say which entry it came from.
    """

    channel = models.OneToOneField(
        "platform.Channel", on_delete=models.CASCADE, primary_key=True, related_name="latest"
    )
    last_entry_id = models.BigIntegerField(default=0)
    # The entry that was made last, and when: behind the counter after history was imported.
    newest_id = models.BigIntegerField(default=0)
    last_entry_at = models.DateTimeField(null=True)
    # When the last write came in, whatever `created_at` it carried: the write interval counts from here.
    written_at = models.DateTimeField(null=True)
    bulk_written_at = models.DateTimeField(null=True)
    # Which write key was used last, and when its use was last noted on the key.
    key_used = models.BigIntegerField(null=True)
    key_noted_at = models.DateTimeField(null=True)
    field1_id = models.BigIntegerField(null=True)
    field1_at = models.DateTimeField(null=True)
    field2_id = models.BigIntegerField(null=True)
    field2_at = models.DateTimeField(null=True)
    field3_id = models.BigIntegerField(null=True)
    field3_at = models.DateTimeField(null=True)
    field4_id = models.BigIntegerField(null=True)
    field4_at = models.DateTimeField(null=True)
    field5_id = models.BigIntegerField(null=True)
    field5_at = models.DateTimeField(null=True)
    field6_id = models.BigIntegerField(null=True)
    field6_at = models.DateTimeField(null=True)
    field7_id = models.BigIntegerField(null=True)
    field7_at = models.DateTimeField(null=True)
    field8_id = models.BigIntegerField(null=True)
    field8_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "latest"

    def __str__(self) -> str:
        return f"latest of channel {self.channel_id}"

    @classmethod
    def blank(cls) -> dict[str, object]:
        """Every column as it is before the first write."""
        return {field.attname: field.get_default() for field in cls._meta.concrete_fields if not field.primary_key}

    def values(self) -> dict[int, str]:
        """The field values of the last entry, by field number."""
        newest = [n for n in FIELDS if self.newest_id and getattr(self, f"field{n}_id") == self.newest_id]
        return {n: getattr(self, f"field{n}") for n in newest}
