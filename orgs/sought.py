"""The words of what somebody looks for."""

from __future__ import annotations

from collections.abc import Iterable

from orgs.paths import SEPARATOR

MOST_WORDS = 6


def words_of(sought: str) -> list[str]:
    """Return the words of which each has to be found: the first few, see `few_of`."""
    return few_of(sought.split())


def few_of(words: Iterable[str]) -> list[str]:
    """Return the first few of these words, each once; whoever pastes a path does not look for the sign in it.

    Each word is one condition more on every row. Leaving out the last ones loses nothing that all would find.
    """
    distinct = {word.lower(): word for word in words if word != SEPARATOR.strip()}
    return list(distinct.values())[:MOST_WORDS]
