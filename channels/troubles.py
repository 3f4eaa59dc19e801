"""What an attempt remembers of the reason why it did not work."""

from __future__ import annotations

from channels.attempts import Attempt
from channels.platforms import BadAccountKey, CannotDo, ChannelLimitReached, NoSuchChannel, OutOfReach, PlatformError
from channels.vault import CannotDecrypt


def trouble_of(error: PlatformError | CannotDecrypt) -> Attempt.Trouble:
    """Return what an attempt calls the platform's refusal, or the loss of a key that would be needed to ask it."""
    for kind, trouble in _TROUBLES.items():
        if isinstance(error, kind):
            return trouble
    return Attempt.Trouble.UNCLEAR


_TROUBLES: dict[type[Exception], Attempt.Trouble] = {
    OutOfReach: Attempt.Trouble.OUT_OF_REACH,
    BadAccountKey: Attempt.Trouble.BAD_ACCOUNT_KEY,
    NoSuchChannel: Attempt.Trouble.NO_SUCH_CHANNEL,
    ChannelLimitReached: Attempt.Trouble.CHANNEL_LIMIT,
    CannotDo: Attempt.Trouble.CANNOT,
    CannotDecrypt: Attempt.Trouble.UNREADABLE,
}
