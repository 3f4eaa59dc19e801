"""How the story is told: step by step as it happens, for people or as lines of JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

SHOWN_OF_A_SECRET = 4


class StoryFailed(Exception):
    """Something was not as the story has it. The message says what was expected, and what there was instead."""


@dataclass(frozen=True)
class Exchange:
    """A request and its answer. `sent` and `received` are in words, secrets masked."""

    who: str
    method: str
    address: str
    sent: str
    status: int
    received: str


@dataclass
class Step:
    """One step of the story, as far as it has come."""

    number: int
    title: str
    exchanges: list[Exchange] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    ok: bool = False
    failure: str = ""
    seconds: float = 0.0


class Voice(Protocol):
    """Who speaks: to a terminal, or to a program."""

    def opening(self, portal: str, platform: str) -> None: ...
    def step_begins(self, step: Step) -> None: ...
    def exchanged(self, exchange: Exchange) -> None: ...
    def remarked(self, words: str) -> None: ...
    def checked(self, sentence: str) -> None: ...
    def step_ends(self, step: Step) -> None: ...
    def closing(self, steps: list[Step]) -> None: ...


class Teller:
    """Keeps the record of the story, and keeps its secrets."""

    def __init__(self, voice: Voice) -> None:
        self.steps: list[Step] = []
        self._voice = voice
        self._secrets: set[str] = set()
        self._began = 0.0

    def open(self, portal: str, platform: str) -> None:
        self._voice.opening(portal, platform)

    def keep_secret(self, *secrets: str) -> None:
        """Never show these from now on, but for their first characters, wherever they turn up."""
        self._secrets.update(secret for secret in secrets if secret)

    def begin(self, number: int, title: str) -> None:
        self.steps.append(Step(number, title))
        self._began = time.monotonic()
        self._voice.step_begins(self.steps[-1])

    def exchanged(
        self, who: str, method: str, address: str, sent: Mapping[str, str], status: int, received: str
    ) -> None:
        """Tell of a request and its answer."""
        words = ", ".join(f"{name}={'•' * 8 if 'password' in name else value}" for name, value in sent.items())
        exchange = Exchange(who, method, self._masked(address), self._masked(words), status, self._masked(received))
        self.steps[-1].exchanges.append(exchange)
        self._voice.exchanged(exchange)

    def remark(self, words: str) -> None:
        """Tell what happens besides."""
        words = self._masked(words)
        self.steps[-1].remarks.append(words)
        self._voice.remarked(words)

    def expect(self, is_so: object, sentence: str, *, instead: str = "") -> None:
        """Check a fact. Raises StoryFailed when it is not so; `instead` is what there was."""
        sentence = self._masked(sentence)
        if not is_so:
            found = f" Instead: {self._masked(instead)}" if instead else ""
            raise StoryFailed(f"Expected: {sentence}{found}")
        self.steps[-1].checks.append(sentence)
        self._voice.checked(sentence)

    def end(self, failure: str = "") -> None:
        """Close the step, which has failed if there is a sentence why."""
        step = self.steps[-1]
        step.ok, step.failure = not failure, self._masked(failure)
        step.seconds = round(time.monotonic() - self._began, 2)
        self._voice.step_ends(step)

    def close(self) -> bool:
        """Say how it ended; return whether all went well."""
        self._voice.closing(self.steps)
        return bool(self.steps) and all(step.ok for step in self.steps)

    def _masked(self, words: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            shown = secret[: min(SHOWN_OF_A_SECRET, len(secret) // 4)]
            words = words.replace(secret, shown + "•" * (len(secret) - len(shown)))
        return words


class Narrator:
    """Tells people, in colour where the terminal has it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def opening(self, portal: str, platform: str) -> None:
        self._portal = portal
        self._console.print(f"The story of the keys, played against [bold]{escape(portal)}[/] ({escape(platform)})")

    def step_begins(self, step: Step) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{step.number}  {escape(step.title)}", align="left"))

    def exchanged(self, exchange: Exchange) -> None:
        status = f"[{'green' if exchange.status < 400 else 'yellow'}]{exchange.status}[/]"
        self._line(f"[cyan]{escape(exchange.who)}[/]  {exchange.method} {escape(self._short(exchange.address))}")
        if exchange.sent:
            self._line(f"sends    [dim]{escape(exchange.sent)}[/]", 4)
        self._line(f"gets {status} [dim]{escape(exchange.received)}[/]", 4)

    def remarked(self, words: str) -> None:
        self._line(f"[dim]·[/] {escape(words)}")

    def checked(self, sentence: str) -> None:
        self._line(f"[green]✓[/] {escape(sentence)}")

    def step_ends(self, step: Step) -> None:
        if not step.ok:
            self._line(f"[bold red]✗ {escape(step.failure)}[/]")

    def closing(self, steps: list[Step]) -> None:
        checks = sum(len(step.checks) for step in steps)
        seconds = sum(step.seconds for step in steps)
        self._console.print()
        if all(step.ok for step in steps):
            self._console.print(
                f"[bold green]The story is true:[/] {len(steps)} steps, {checks} checks, {seconds:.1f} s."
            )
        else:
            self._console.print(f"[bold red]The story ends in step {steps[-1].number}.[/]")

    def _short(self, address: str) -> str:
        return address.removeprefix(self._portal) or "/"

    def _line(self, markup: str, indent: int = 2) -> None:
        # The terminal breaks long lines itself, so that addresses can be copied out of it.
        self._console.print(" " * indent + markup, soft_wrap=True)


class JSONLines:
    """Tells programs: one line of JSON a step, then a summary."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def opening(self, portal: str, platform: str) -> None:
        self._portal, self._platform = portal, platform

    def step_begins(self, step: Step) -> None:
        pass

    def exchanged(self, exchange: Exchange) -> None:
        pass

    def remarked(self, words: str) -> None:
        pass

    def checked(self, sentence: str) -> None:
        pass

    def step_ends(self, step: Step) -> None:
        self._print(asdict(step))

    def closing(self, steps: list[Step]) -> None:
        self._print(
            {
                "summary": True,
                "ok": all(step.ok for step in steps),
                "portal": self._portal,
                "platform": self._platform,
                "steps": len(steps),
                "checks": sum(len(step.checks) for step in steps),
                "failure": next((step.failure for step in steps if not step.ok), ""),
                "seconds": round(sum(step.seconds for step in steps), 2),
            }
        )

    def _print(self, line: object) -> None:
        self._console.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._console.file.flush()
