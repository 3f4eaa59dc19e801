"""Reading feeds from ThingSpeak for people's pages: remembered for some seconds, and never waited for long.

What is remembered lies in Django's cache under the channel's number and a keyed hash of the key that read it: whoever
has another key asks again. A page that many people look at, or that refreshes itself, asks once in FRESH seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache

from channels import thingspeak_answers as answers
from channels.platforms import Entry, Feed, NoAccess, NoSuchChannel, NotUnderstood, OutOfReach, PlatformError
from channels.thingspeak_http import Line, NoConnection, is_sendable, not_now, not_understood
from channels.vault import keyed_hash

MOST_RESULTS = 8000
# All in seconds. A free account writes every 15 s; the hosted service itself remembers long feeds for 5 minutes.
FRESH = 5
FRESH_LONG_FEED = 15
LONG_FEED = 100
# How long a last entry is shown while newer ones do not come in; its own time tells its age.
KEPT = 300
# A channel that did not answer is left alone for so long, and all of them when there is no connection at all:
# otherwise each look at a page would wait for them again.
LEFT_ALONE = 30
AWAY = 10
# The last entries are an ornament of a page with many channels: it waits so long for all of them together.
LAST_ENTRIES_TIMEOUT = (2.0, 3.0)
LAST_ENTRIES_WITHIN = 4.0
AT_ONCE = 8

# When to ask again (seconds since 1970), and the last entry, if one is known.
_Remembered = tuple[float, Entry | None]


class Reader:
    """Reads channels over `line`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def feed(self, number: int, *, read_key: str, results: int, start: datetime | None, end: datetime | None) -> Feed:
        """Return a feed as `Platform.read_feed` says; it may be some seconds old."""
        # Windows move with the clock. One that begins at a round moment is the same for some seconds, so that it is
        # found again; what is too early is taken out below.
        begin = start and start.astimezone(UTC).replace(second=start.second // 15 * 15, microsecond=0)
        window = {"results": str(max(0, min(results, MOST_RESULTS)))}
        if begin:
            window["start"] = f"{begin:%Y-%m-%d %H:%M:%S}"
        if end:
            window["end"] = f"{end.astimezone(UTC) + timedelta(microseconds=999_999):%Y-%m-%d %H:%M:%S}"
        found = self._feed(number, read_key, window)
        inside = [e for e in found.entries if (not start or e.created_at >= start) and (not end or e.created_at <= end)]
        return Feed(found.number, found.name, found.labels, inside)

    def _feed(self, number: int, read_key: str, window: Mapping[str, str]) -> Feed:
        name = self._cache_name("feed", number, read_key, urlencode(window))
        remembered: tuple[float, Feed | None] = cache.get(name) or (0.0, None)
        again_at, known = remembered
        if again_at > time.time() and known is not None:
            return known
        if again_at > time.time() or cache.get(self._away):
            raise OutOfReach("The channel platform did not answer a moment ago.")
        try:
            body = self._read(number, "feeds", read_key, fields=window)
            feed = answers.feed(body)
        except NoConnection:
            cache.set(self._away, True, AWAY)
            raise
        except OutOfReach as error:
            seconds = min(LEFT_ALONE, error.retry_after)
            cache.set(name, (time.time() + seconds, None), seconds)
            raise
        except ValueError as error:
            raise NotUnderstood(f"The channel platform answers {error}.") from None
        seconds = FRESH if len(feed.entries) <= LONG_FEED else FRESH_LONG_FEED
        cache.set(name, (time.time() + seconds, feed), seconds)
        return feed

    def last_entries(self, read_keys: Mapping[int, str]) -> dict[int, Entry]:
        """Return last entries as `Platform.last_entries` says; they may be some seconds old.

        Those that nothing is known of are asked for first, then the oldest ones: with more channels than can be asked
        in time, each gets its turn.
        """
        names = {number: self._cache_name("last", number, key) for number, key in read_keys.items()}
        remembered: dict[str, _Remembered] = cache.get_many(names.values())
        known = {number: remembered.get(name, (0.0, None)) for number, name in names.items()}
        due = sorted((again_at, number) for number, (again_at, _entry) in known.items() if again_at <= time.time())
        if due and not cache.get(self._away):
            known |= self._ask({number: read_keys[number] for _again_at, number in due}, known)
            cache.set_many({names[number]: known[number] for _again_at, number in due}, KEPT)
        return {number: entry for number, (_again_at, entry) in known.items() if entry is not None}

    def _ask(self, read_keys: Mapping[int, str], known: Mapping[int, _Remembered]) -> dict[int, _Remembered]:
        """Return what to remember of the channels that answered in time or did not; those not asked are left out."""
        pool = ThreadPoolExecutor(max_workers=min(AT_ONCE, len(read_keys)))
        try:
            asked = {pool.submit(self._last_entry, number, key): number for number, key in read_keys.items()}
            wait(asked, timeout=LAST_ENTRIES_WITHIN)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        now = time.time()
        found: dict[int, _Remembered] = {}
        for future, number in asked.items():
            if future.cancelled():
                continue
            result = future.result() if future.done() else OutOfReach()
            if isinstance(result, PlatformError):
                found[number] = (now + LEFT_ALONE, known[number][1])
            else:
                found[number] = (now + FRESH, result)
            if isinstance(result, NoConnection):
                cache.set(self._away, True, AWAY)
        return found

    def _last_entry(self, number: int, read_key: str) -> Entry | PlatformError | None:
        """Return the channel's last entry, None if it has none that the key shows, or what went wrong."""
        try:
            return answers.entry(self._read(number, "feeds/last", read_key, timeout=LAST_ENTRIES_TIMEOUT, repeat=False))
        except (NoAccess, NoSuchChannel, ValueError):
            return None
        except PlatformError as error:
            return error

    def _read(self, number: int, what: str, read_key: str, **options: Any) -> Any:
        """Return the JSON of a reading call. A public channel is read with any key, also with an empty one."""
        if read_key and not is_sendable(read_key):
            raise NoAccess(f"That is not a key of channel {number}.")
        path = f"/channels/{number}/{what}.json"
        answer = self._line.call("GET", path, channel_key=read_key, **options)
        if answer.is_good and answer.is_json:
            return answer.body
        if answer.status == 404:
            raise NoSuchChannel(f"There is no channel {number}.")
        if answer.is_refusal and answer.status in (200, 400, 401, 403):
            raise NoAccess(f"Channel {number} is private and the key does not read it.")
        raise not_now(answer) or not_understood("GET", path, answer)

    def _cache_name(self, what: str, number: int, key: str, window: str = "") -> str:
        return f"thingspeak:{what}:{number}:{keyed_hash(f'{self._line.url} {key} {window}')}"

    @property
    def _away(self) -> str:
        return f"thingspeak:away:{keyed_hash(self._line.url)}"
