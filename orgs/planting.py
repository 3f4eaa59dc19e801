"""Several organizations at once: read from what was typed, one path of names a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from orgs.lines import BadLine, check_name, said_of

MOST_LINES = 500
DEEPEST = 8
# A slash with no space around it is part of a name: "Flat 3/4".
_STEP = re.compile(r"\s*[›>]\s*|\s+/\s+|\t+")


@dataclass(frozen=True)
class Paths:
    """What was understood, and a sentence for each line that was not. With any of those nothing is made."""

    paths: list[tuple[str, ...]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_paths(text: str) -> Paths:
    """Read one organization a line: its name, or the names from the top down: "Elm Street 12 › Flat 3".

    The signs ›, > and a slash between spaces separate names, and so do tabs: two columns of a spreadsheet are a path.
    """
    read = Paths()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        path = tuple(_STEP.split(line.strip()))
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
