"""Refusals of this app that are not the platform's own (those are in `channels.platforms`)."""


class IllegalMove(Exception):
    """A key cannot go from one of these states to the other."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"A key that is {old} cannot become {new}.")


class CannotRenew(Exception):
    """The key cannot be renewed this way. The text is a sentence for the manager."""


class RenewalUnderWay(CannotRenew):
    """The channel's key is being renewed already."""
