"""Refusals of this app that are not the platform's own (those are in `channels.platforms`)."""


class IllegalMove(Exception):
    """A key cannot go from one of these states to the other."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"A key that is {old} cannot become {new}.")
