"""HTML as a visitor sees it: text, links and forms. Enough for our own pages; no JavaScript is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_UNSEEN = frozenset({"script", "style", "template", "head"})


@dataclass
class Element:
    """An element of a page with what is in it."""

    name: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)

    def all(self, name: str = "", **attributes: str) -> Iterator[Element]:
        """Yield the elements in it, in their order, that have that name and these attributes.

        An underscore in an attribute's name stands for a dash (`data_copy`), one at its end is left out (`class_`).
        The value "*" is met by any.
        """
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        for part in self.inside:
            if isinstance(part, str):
                continue
            if name in ("", part.name) and all(
                key in part.attributes and value in ("*", part.attributes[key]) for key, value in wanted.items()
            ):
                yield part
            yield from part.all(name, **attributes)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """What can be read in it, with single blanks."""
        return " ".join(" ".join(self._words()).split())

    def _words(self) -> Iterator[str]:
        for part in self.inside:
            if isinstance(part, str):
                yield part
            elif part.name not in _UNSEEN:
                yield from part._words()


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].name == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)


@dataclass(frozen=True)
class Form:
    """A form as it would be sent, had the visitor typed nothing yet."""

    address: str
    method: str
    values: dict[str, str]
    choices: dict[str, dict[str, str]]
    """For each choice to be made: the values that can be sent, by what the visitor reads."""
    text: str

    def asks_for(self, *names: str) -> bool:
        """Tell whether the form has all these fields."""
        return all(name in self.values for name in names)


@dataclass(frozen=True)
class Page:
    """An answer to a visitor."""

    address: str
    status: int
    source: str
    headers: Mapping[str, str] = field(repr=False)
    root: Element = field(repr=False)

    @classmethod
    def read(cls, *, address: str, status: int, source: str, headers: Mapping[str, str]) -> Page:
        builder = _Builder()
        builder.feed(source)
        builder.close()
        return cls(address, status, source, headers, builder.root)

    @property
    def text(self) -> str:
        return self.root.text

    @property
    def title(self) -> str:
        """The heading of the page, or its title."""
        for name in ("h1", "title"):
            for element in self.root.all(name):
                return element.text
        return ""

    def links(self) -> list[tuple[str, str]]:
        """Return what each link says and its whole address."""
        return [(link.text, urljoin(self.address, link.attributes["href"])) for link in self.root.all("a", href="*")]

    def link(self, words: str) -> str | None:
        """Return the address of the first link that says exactly that, else of one that has the words in it."""
        links = self.links()
        for text, address in links:
            if text == words:
                return address
        return next((address for text, address in links if words in text), None)

    def forms(self) -> list[Form]:
        return [_form(element, self.address) for element in self.root.all("form")]

    def form(self, *fields: str, at: str = "") -> Form | None:
        """Return the first form that has all these fields and whose address contains `at`."""
        return next((form for form in self.forms() if form.asks_for(*fields) and at in form.address), None)

    def link_to(self, part: str) -> str | None:
        """Return the first link whose address has `part` in it."""
        return next((address for _, address in self.links() if part in address), None)

    def secrets(self) -> list[str]:
        """Return the keys that the page shows, not those that are hidden."""
        shown = [element for element in self.with_class("secret-value") if "is-masked" not in element.classes]
        return [element.text for element in shown]

    def form_beside_secret(self) -> Form | None:
        """Return the form that has the first hidden key shown."""
        for secret in self.with_class("secret"):
            for element in secret.all("form"):
                return _form(element, self.address)
        return None

    def errors(self) -> list[str]:
        """Return what the page says is wrong with what was sent."""
        marked = [*self.root.all(role="alert"), *self.with_class("field-errors")]
        return [element.text for element in marked if element.text]

    def errors_at(self, field: str) -> str:
        """Return what the page says is wrong with that field of a form."""
        return " ".join(element.text for element in self.root.all(id=f"id_{field}_error"))

    def with_class(self, name: str) -> list[Element]:
        return [element for element in self.root.all(class_="*") if name in element.classes]


def _form(element: Element, page: str) -> Form:
    values: dict[str, str] = {}
    choices: dict[str, dict[str, str]] = {}
    for control in element.all():
        if control.name in ("input", "select", "textarea") and "name" in control.attributes:
            _read_control(control, values, choices)
    return Form(
        address=urljoin(page, element.attributes.get("action") or page),
        method=element.attributes.get("method", "get").upper(),
        values=values,
        choices=choices,
        text=element.text,
    )


def _read_control(control: Element, values: dict[str, str], choices: dict[str, dict[str, str]]) -> None:
    name, kind = control.attributes["name"], control.attributes.get("type", "text")
    if control.name == "textarea":
        values[name] = control.text
    elif control.name == "select":
        options = list(control.all("option"))
        choices[name] = {option.text: option.attributes.get("value", option.text) for option in options}
        chosen = [option for option in options if "selected" in option.attributes] or options[:1]
        values[name] = chosen[0].attributes.get("value", chosen[0].text) if chosen else ""
    elif kind in ("radio", "checkbox"):
        value = control.attributes.get("value", "on")
        choices.setdefault(name, {})[value] = value
        if "checked" in control.attributes:
            values[name] = value
        elif kind == "radio":
            values.setdefault(name, "")
    elif kind not in ("submit", "button", "image", "reset", "file"):
        values[name] = control.attributes.get("value", "")
