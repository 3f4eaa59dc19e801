"""Many things entered at once: typed a line each, or out of a CSV file, whose mistakes are said by line."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orgs.models import Organization
from orgs.paths import SEPARATOR, steps_of

LONGEST_NAME = 100
SHOWN = 20
"""So many mistakes are said at a time; the rest is counted."""


class BadLine(Exception):
    """Something about a line; the text is a sentence that goes on after "Line 7: "."""


def said_of(number: int, problem: BadLine | str) -> str:
    """Return a mistake with the line that it is in."""
    return _("Line {line}: {problem}").format(line=number, problem=problem)


def check_name(name: str) -> None:
    """Raise BadLine if a name cannot be stored or shown as one."""
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise BadLine(_("there are characters in the name that cannot be printed."))
    if len(name) > LONGEST_NAME:
        raise BadLine(_("the name is longer than {most} letters.").format(most=LONGEST_NAME))


def first_problems(problems: Sequence[str]) -> list[str]:
    """Return so many of the sentences as somebody reads, and one that counts the rest."""
    more = len(problems) - SHOWN
    rest = ngettext("{count} more line has a mistake.", "{count} more lines have mistakes.", more).format(count=more)
    return [*problems[:SHOWN], rest] if more > 0 else [*problems]


def read_table(
    text: str, columns: Mapping[str, Sequence[object]], problems: list[str], *, most: int, too_many: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the lines that have something in them, with their numbers, each as what is in its `columns`.

    Commas, semicolons (as spreadsheets write in much of Europe) and tabs separate columns. A first line with the
    names of columns, or with what else `columns` says that they are called, may put them into another order; it must
    name the first of `columns`. What is no line of such a
    file, or has more columns, becomes a sentence in `problems`. After `most` lines, good or bad, nothing is read any
    more, so that no file keeps the portal busy; that there are more is said first, as the sentence `too_many`.
    """
    order: Mapping[str, int] | None = None
    first, lines = next(iter(columns)), 0
    for number, cells in _cells(text, problems):
        if order is None:
            order = _order_in(cells, columns)
            if first in order:
                continue
            order = {name: place for place, name in enumerate(columns)}
        lines += 1
        if lines > most:
            problems.insert(0, too_many)
            return
        if any(cell for place, cell in enumerate(cells) if place not in order.values()):
            *all_but_last, last = columns
            listed = _("{first} and {last}").format(first=", ".join(all_but_last), last=last)
            problems.append(said_of(number, _("there are more columns than {columns}.").format(columns=listed)))
            continue
        places = ((name, order.get(name, len(cells))) for name in columns)
        yield number, {name: cells[place] if place < len(cells) else "" for name, place in places}


def _order_in(cells: Sequence[str], columns: Mapping[str, Sequence[object]]) -> dict[str, int]:
    """Return which columns a line names, and at which place."""
    names = [cell.casefold() for cell in cells]
    order = {}
    for column, others in columns.items():
        called = {column, *(str(other).casefold() for other in others)}
        if (place := next((place for place, name in enumerate(names) if name in called), None)) is not None:
            order[column] = place
    return order


def _cells(text: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = next((mark for mark in ("\t", ";", ",") if mark in first), ",")
    reader = csv.reader(text.splitlines(), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error:
        problems.append(said_of(reader.line_num, _("this is no line of a CSV file.")))


def _by_the_rule(path: str) -> str:
    return SEPARATOR.join(steps_of(path)).casefold()


def _by_every_slash(path: str) -> str:
    return _by_the_rule(path.replace("/", SEPARATOR))


class PlacesByName:
    """An organization and what is below it, by their names and by the paths to them; read in one query."""

    # As it is written, since a sign that separates names can be part of one; by the rule for paths; and "House/Flat 3".
    _READINGS = (str.casefold, _by_the_rule, _by_every_slash)
    """How a text may be meant. What nothing is called in one of them is looked for in the next."""

    def __init__(self, top: Organization) -> None:
        self._paths_to: dict[Organization, tuple[str, str]] = {}
        path: list[Organization] = []
        tree = list(Organization.objects.filter(tree_id=top.tree_id).order_by("lft"))
        as_it_is_now = next((one for one in tree if one.pk == top.pk), top)
        for one in filter(as_it_is_now.contains, tree):
            while path and not path[-1].contains(one):
                path.pop()
            path.append(one)
            names = [step.name for step in path]
            self._paths_to[one] = SEPARATOR.join(names[1:]) or one.name, SEPARATOR.join(names)
        self._called = [(read, self._by_what_they_are_called(read)) for read in self._READINGS]

    def _by_what_they_are_called(self, read: Callable[[str], str]) -> dict[str, list[Organization]]:
        called: dict[str, list[Organization]] = {}
        for one, paths in self._paths_to.items():
            for name in {read(text) for text in (one.name, *paths)}:
                called.setdefault(name, []).append(one)
        return called

    def find(self, text: str) -> Organization:
        """Return what `text` names: "Kitchen", "Ground floor › Kitchen" or "Ground floor / Kitchen". Raises BadLine."""
        found = self._all_called(text)
        if not found:
            raise BadLine(_("there is no organization called “{name}”.").format(name=text[:100]))
        if len(found) > 1:
            raise BadLine(self._how_to_name_one(text[:100], found))
        return found[0]

    def _all_called(self, text: str) -> list[Organization]:
        return next((found for read, called in self._called if (found := called.get(read(text)))), [])

    def _how_to_name_one(self, text: str, several: list[Organization]) -> str:
        for one in several:
            for path in self._paths_to[one]:
                if self._all_called(path) == [one]:
                    said = _("there are several organizations called “{name}”. Write the path: “{path}”, for example.")
                    return said.format(name=text, path=path)
        # Two of one parent, "Flat" and "flat".
        return _("there are several organizations called “{name}”. Rename one of them first.").format(name=text)
