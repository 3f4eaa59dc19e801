"""ThingSpeak, or anything that speaks like it, as the portal's channel platform.

The hosted service answers in differing shapes, by age of the call and kind of the error: 0 and -1, quoted or not,
with 200 or 400; error objects; 401 and 404. What is known of them is in ThingSpeak's REST API pages (MathWorks) and in
the answers under tests/channels/answers/.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, NoReturn
from urllib.parse import urlencode

from channels import thingspeak_answers as answers
from channels.markers import with_marker
from channels.platforms import (
    Allowance,
    BadAccountKey,
    CannotDo,
    ChannelLimitReached,
    Entry,
    Feed,
    KeyUse,
    NoSuchChannel,
    NotUnderstood,
    PlatformError,
    RemoteChannel,
)
from channels.thingspeak_history import csv_lines
from channels.thingspeak_http import ANSWERS_WITHIN, Answer, Line, is_sendable, not_now, not_understood
from channels.thingspeak_reading import Reader

LONGEST_NAME = 255


class ThingSpeak:
    """Implements `channels.platforms.Platform` over ThingSpeak's REST API.

    `url` is the API's address without a slash at the end, like `https://api.thingspeak.com`.
    """

    name = "thingspeak"
    # Creating and changing a channel can take two calls.
    answers_within = 2 * ANSWERS_WITHIN
    is_in_our_database = False
    # The REST API has no call for any of these; people do them on ThingSpeak's own pages.
    can_create_accounts = False
    can_rotate_write_keys = False
    can_add_read_keys = False
    can_renew_account_keys = False
    can_tell_key_use = False
    # It can on its own pages; by API a file would take hours: 960 entries every 15 seconds.
    can_import = False

    def __init__(self, url: str, line: Line | None = None) -> None:
        self.url = url.rstrip("/")
        self._line = line or Line(self.url)
        self._reader = Reader(self._line)

    def validate_account(self, account_key: str) -> None:
        """Return quietly if the key belongs to an account, else raise BadAccountKey."""
        self._listing(account_key)

    def create_account(self, name: str) -> str:
        """Raise CannotDo: people open ThingSpeak accounts themselves."""
        raise CannotDo("ThingSpeak accounts are opened on ThingSpeak's own pages.")

    def renew_account_key(self, account_key: str) -> str:
        """Raise CannotDo: people renew it under My Profile."""
        raise CannotDo("ThingSpeak's account key is renewed on ThingSpeak's own pages.")

    def close_account(self, account_key: str) -> None:
        """Raise CannotDo: ThingSpeak's accounts are closed by people on its own pages."""
        raise CannotDo("An account is closed on ThingSpeak's own pages.")

    def allowances(self, account_keys: Collection[str]) -> dict[str, Allowance]:
        """Return nothing: the API tells neither licence nor limits (a free account may have 4 channels)."""
        return {}

    def create_channel(self, account_key: str, *, name: str, marker: str, labels: Mapping[int, str]) -> RemoteChannel:
        """Create a private channel that carries `marker` in its metadata. Raises ChannelLimitReached.

        Sent once and never repeated: when the answer is lost, `find_channel` finds what may have been created.
        """
        fields = {
            "name": name[:LONGEST_NAME],
            "metadata": with_marker("", marker),
            "public_flag": "false",
            **{f"field{n}": label for n, label in labels.items()},
        }
        answer = self._call("POST", "/channels.json", account_key, fields=fields)
        if not answer.is_good:
            self._refuse_creation(account_key, answer)
        try:
            if answers.keys(answer.body, writing=True):
                return answers.remote_channel(answer.body)
            number = answers.number(answer.body)
        except (ValueError, AttributeError):
            raise not_understood("POST", "/channels.json", answer) from None
        return self.get_channel(account_key, number)

    def find_channel(self, account_key: str, marker: str) -> RemoteChannel | None:
        """Return the account's channel with that marker: the oldest, should there be several."""
        if not marker:
            return None
        listing = self._listing(account_key)
        if not all("metadata" in item for item in listing):
            # Not found in such a listing does not mean not there, and the caller would create a second one.
            raise NotUnderstood("The channel platform lists channels without their metadata.")
        return next((channel for channel in self._as_remote(listing) if channel.marker == marker), None)

    def get_channel(self, account_key: str, number: int) -> RemoteChannel:
        """Return the account's channel of that number, or raise NoSuchChannel.

        Taken out of the listing: the answer for a single channel does not tell a bad account key from somebody
        else's channel, and differs between the hosted service and the open-source server.
        """
        return self._as_remote([self._listed(account_key, number)])[0]

    def list_channels(self, account_key: str) -> list[RemoteChannel]:
        """Return all channels of the account, oldest first."""
        return self._as_remote(self._listing(account_key))

    def update_channel(
        self, account_key: str, number: int, *, name: str | None = None, marker: str | None = None
    ) -> None:
        """Change what is given, leave the rest, also of the metadata."""
        listed = self._listed(account_key, number)
        fields = {}
        if name is not None:
            fields["name"] = name[:LONGEST_NAME]
        if marker is not None:
            fields["metadata"] = with_marker(listed.get("metadata"), marker)
        if not fields:
            return
        path = f"/channels/{number}.json"
        answer = self._call("PUT", path, account_key, fields=fields)
        if answer.status == 404:
            raise NoSuchChannel(f"The account has no channel {number} any more.")
        if not answer.is_good:
            raise self._account_error("PUT", path, answer)

    def delete_channel(self, account_key: str, number: int) -> None:
        """Delete the channel with all its entries."""
        path = f"/channels/{number}.json"
        answer = self._call("DELETE", path, account_key)
        if answer.is_good or (answer.status == 404 and answer.repeated):
            # The second case: the first try deleted it, and its answer was lost.
            return
        if answer.status == 404:
            raise NoSuchChannel(f"The account has no channel {number}.")
        if answer.is_refusal and answer.status in (200, 400, 401, 403):
            self.get_channel(account_key, number)  # says whether it is the key or the number that is wrong
        raise self._account_error("DELETE", path, answer)

    def rotate_write_key(self, account_key: str, number: int, *, overlap: timedelta) -> str:
        """Raise CannotDo: a write key is regenerated on the channel's page, API Keys."""
        raise CannotDo("ThingSpeak's write keys are renewed on ThingSpeak's own pages.")

    def replace_write_keys(self, account_key: str, numbers: Collection[int]) -> dict[int, str]:
        """Raise CannotDo: a write key is regenerated on the channel's page, one channel after the other."""
        raise CannotDo("ThingSpeak's write keys are renewed on ThingSpeak's own pages.")

    def add_read_key(self, account_key: str, number: int, *, note: str) -> str:
        """Raise CannotDo: a read key is added on the channel's page, API Keys."""
        raise CannotDo("ThingSpeak's read keys are added on ThingSpeak's own pages.")

    def revoke_key(self, account_key: str, number: int, key: str) -> None:
        """Raise CannotDo: a read key is deleted on the channel's page, API Keys."""
        raise CannotDo("ThingSpeak's keys are revoked on ThingSpeak's own pages.")

    def write_key_uses(self, account_key: str, numbers: Collection[int]) -> list[KeyUse]:
        """Raise CannotDo: ThingSpeak tells when a channel was written to, but not with which key."""
        raise CannotDo("ThingSpeak does not tell when a key was used.")

    def read_key_uses(self, account_key: str, number: int) -> list[KeyUse]:
        """Raise CannotDo: ThingSpeak does not tell who reads."""
        raise CannotDo("ThingSpeak does not tell when a key was used.")

    def read_feed(
        self,
        number: int,
        *,
        read_key: str,
        results: int = 100,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Feed:
        """Return the newest `results` (at most 8000) entries, oldest first; some seconds old. Raises NoAccess."""
        return self._reader.feed(number, read_key=read_key, results=results, start=start, end=end)

    def last_entries(self, read_keys: Mapping[int, str]) -> dict[int, Entry]:
        """Return the last entry of each channel number in `read_keys`; those without one are left out.

        Those out of reach are left out too, or some minutes old; the page does not wait long for them.
        """
        return self._reader.last_entries(read_keys)

    def last_measured(self, numbers: Collection[int]) -> None:
        """Return None: private channels tell nothing without a key."""

    def export_csv(self, number: int, *, read_key: str) -> Iterator[str]:
        """Yield all of the channel's history as lines of CSV, newest first: see `channels.thingspeak_history`."""
        return csv_lines(lambda results, end: self.read_feed(number, read_key=read_key, results=results, end=end))

    def import_csv(self, account_key: str, number: int, file: bytes, *, zone: tzinfo) -> int:
        """Raise CannotDo: history is imported on the channel's page, Data Import / Export."""
        raise CannotDo("History is imported on ThingSpeak's own pages.")

    @property
    def update_url(self) -> str:
        """The address to which devices write."""
        return f"{self.url}/update"

    def feed_url(self, number: int, *, last: bool = False, **parameters: str) -> str:
        """The address of the channel's feed in JSON, or of its last entry."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"{self.url}/channels/{number}/feeds{'/last' if last else ''}.json{query}"

    def chart_url(self, number: int, field: int, **parameters: str) -> str:
        """The address of the platform's chart page, meant for an iframe."""
        # The hosted service documents its pages under the name without "api".
        site = self.url.replace("://api.thingspeak.com", "://thingspeak.com")
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"{site}/channels/{number}/charts/{field}{query}"

    def _call(self, method: str, path: str, account_key: str, *, fields: Mapping[str, str] | None = None) -> Answer:
        if not is_sendable(account_key):
            raise BadAccountKey("That is not an account key.")
        return self._line.call(method, path, account_key=account_key, fields=fields)

    def _listing(self, account_key: str) -> list[dict[str, Any]]:
        answer = self._call("GET", "/channels.json", account_key)
        if answer.is_good:
            try:
                return answers.channels(answer.body)
            except ValueError:
                raise not_understood("GET", "/channels.json", answer) from None
        if answer.is_refusal and answer.status in (200, 400, 403):
            # The key is all that this request says, so it is the key that is refused.
            raise BadAccountKey("The platform does not know the account key.")
        raise self._account_error("GET", "/channels.json", answer)

    def _listed(self, account_key: str, number: int) -> dict[str, Any]:
        for item in self._listing(account_key):
            if answers.number(item) == number:
                return item
        raise NoSuchChannel(f"The account has no channel {number}.")

    def _as_remote(self, listing: list[dict[str, Any]]) -> list[RemoteChannel]:
        try:
            return [answers.remote_channel(item) for item in listing]
        except ValueError as error:
            raise NotUnderstood(f"The channel platform lists {error}.") from None

    def _refuse_creation(self, account_key: str, answer: Answer) -> NoReturn:
        """Raise the error for a channel that was not created.

        How ThingSpeak says that an account has no channel left (a free one has 4) is not documented. Its table of
        error codes leaves 402, 403, 409, 422 and 429 for it. None of them can mean anything else here, once the
        listing has shown that the key is good: creating a channel is not rate limited, and what we send is always
        the same few fields. A 429 that says when to come back is taken at its word.
        """
        if answer.status == 429 and answer.retry_after:
            raise self._account_error("POST", "/channels.json", answer)
        if answer.status == 402 or (answer.is_refusal and answer.status in (403, 409, 422, 429)):
            self.validate_account(account_key)
            raise ChannelLimitReached("The account has no channel left.")
        raise self._account_error("POST", "/channels.json", answer)

    def _account_error(self, method: str, path: str, answer: Answer) -> PlatformError:
        """Return the error for an answer to a call with an account key that is not good."""
        if answer.status == 401 and answer.is_refusal:
            return BadAccountKey("The platform does not know the account key.")
        return not_now(answer) or not_understood(method, path, answer)
