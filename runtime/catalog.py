"""Which losses are there, and how does one ask for them?

`losses.huber(delta=1.5)` is a `LossFunction`. Each attribute of `losses` is a
function whose signature and documentation are made of the generated facts, so
that `help(losses.huber)` shows formula, parameters and references. Nothing but
the facts of the loss asked for is read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from .artifacts import Facts, catalogue_facts, index
from .function import LossFunction
from .parameters import default_of, nearest

Factory = Callable[..., LossFunction]


class Catalogue:
    """The catalogue of losses: an attribute, an item and an iteration step for each."""

    def __init__(self) -> None:
        self._factories: dict[str, Factory] = {}

    def __getattr__(self, name: str) -> Factory:
        if name.startswith("_"):  # Python's own questions, such as __wrapped__
            raise AttributeError(name)
        if name not in self._factories:
            known = index()
            if name not in known:
                hint = nearest(name, list(known)) or f"; the catalogue has {len(known)} losses, see dir(losses)"
                raise AttributeError(f"the catalogue has no loss {name!r}{hint}")
            # setdefault: pickling a factory by its name needs the same object every time.
            self._factories.setdefault(name, _factory(catalogue_facts(name)))
        return self._factories[name]

    def __getitem__(self, name: str) -> Factory:
        try:
            return self.__getattr__(name)
        except AttributeError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(index()))

    def __len__(self) -> int:
        return len(index())

    def __contains__(self, name: object) -> bool:
        return name in index()

    def __dir__(self) -> list[str]:
        return sorted(index())

    def __repr__(self) -> str:
        return f"<{len(self)} losses: {', '.join(self)}>"


def _factory(facts: Facts) -> Factory:
    name = facts["name"]

    def factory(*unnamed: Any, backend: str = "auto", tier: str = "accurate", **parameters: Any) -> LossFunction:
        if unnamed:
            raise TypeError(_by_name(name, list(facts["parameters"]), unnamed))
        return LossFunction.from_catalogue(name, parameters, backend, tier)

    factory.__name__ = name
    factory.__qualname__ = f"losses.{name}"  # where pickle finds it
    factory.__doc__ = describe(facts)
    factory.__signature__ = _signature(facts)  # type: ignore[attr-defined]
    return factory


def _by_name(name: str, known: list[str], unnamed: tuple[Any, ...]) -> str:
    """What to say of parameters given without their names."""
    given = ", ".join(f"{value!r}"[:40] for value in unnamed)
    if len(unnamed) > len(known):
        takes = f"{len(known)} parameter{'s' * (len(known) != 1)} ({', '.join(known)})" if known else "no parameters"
        return f"lf.losses.{name} takes {takes}, got {given}; data go to its methods: lf.losses.{name}(...).loss(y, f)"
    named = ", ".join(f"{parameter}={value!r}"[:60] for parameter, value in zip(known, unnamed, strict=False))
    return f"lf.losses.{name} takes its parameters by name, got {given}; write lf.losses.{name}({named})"


def _signature(facts: Facts) -> inspect.Signature:
    keyword, empty = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    parameters = [
        inspect.Parameter(
            name, keyword, annotation=float, default=empty if declared.get("default") is None else default_of(declared)
        )
        for name, declared in facts["parameters"].items()
    ]
    backend = inspect.Parameter("backend", keyword, annotation=str, default="auto")
    tier = inspect.Parameter("tier", keyword, annotation=str, default="accurate")
    return inspect.Signature([*parameters, backend, tier], return_annotation=LossFunction)


def describe(facts: Facts) -> str:
    """The documentation of a loss as plain text: formula, arguments, parameters, references."""
    lines = [f"{facts['title']}. {facts['summary']}", "", f"    {facts['formula']['text']}"]
    lines += [f"    where {symbol} = {meaning}" for symbol, meaning in facts.get("definitions", {}).items()]
    for heading, key in (("Arguments", "arguments"), ("Parameters", "parameters")):
        if facts[key]:
            lines += ["", heading]
            lines += [f"    {name}: {_declared(declared)}" for name, declared in facts[key].items()]
    for heading, key in (("Remarks", "remarks"), ("Elsewhere", "equivalents"), ("References", "references")):
        if facts.get(key):
            lines += ["", heading, *(f"    {line}" for line in facts[key])]
    return "\n".join(lines)


def _declared(declared: Facts) -> str:
    role, default = declared.get("role"), declared.get("default")
    parts = [f"{role} in {declared['domain']}" if role else declared["domain"]]
    return ", ".join(parts + ([f"default {default}"] if default is not None else []))


losses = Catalogue()
