"""Several organizations at once: read from what was typed, one path of names a line."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from orgs.lines import BadLine, check_name, said_of
from orgs.paths import steps_of

MOST_LINES = 500
DEEPEST = 8


@dataclass(frozen=True)
class Paths:
    """What was understood, and a sentence for each line that was not. With any of those nothing is made."""

    paths: list[tuple[str, ...]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_paths(text: str) -> Paths:
    """Read one organization a line: its name, or the names from the top down, as `orgs.paths.steps_of` reads them."""
    read = Paths()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        path = steps_of(line)
        try:
            _check(path)
        except BadLine as problem:
            read.problems.append(said_of(number, problem))
        else:
            read.paths.append(path)
    if len(read.paths) > MOST_LINES:
        read.problems.append(_("More than {most} lines at a time are too many.").format(most=MOST_LINES))
    return read


def _check(path: tuple[str, ...]) -> None:
    if not all(path):
        raise BadLine(_("there is no name before or after the sign that separates names."))
    if len(path) > DEEPEST:
        raise BadLine(_("there are more than {most} names in it.").format(most=DEEPEST))
    for name in path:
        check_name(name)
