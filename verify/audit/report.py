"""What did the audit find, and how is it told?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

# A fault makes the code wrong where people use it; a note is worth knowing and no more.
Severity = Literal["fault", "note"]
NAMES = {"loss": "loss", "gradient": "gradient", "hessian": "Hessian", "call": "call"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing: what, and the input that shows it with both values."""

    severity: Severity
    kind: str
    output: str
    words: str
    given: Mapping[str, float] = field(default_factory=dict)
    computed: float | None = None
    expected: float | None = None
    entry: str = ""  # by which raw scores, where there are several

    @property
    def message(self) -> str:
        said = f"{NAMES.get(self.output, self.output)}: {self.words}"
        if self.given:
            said += f"\n      at {', '.join(f'{k} = {_number(v)}' for k, v in self.given.items())}"
            if self.computed is not None and self.expected is not None:
                by = f" for the entry of {self.entry}" if self.entry else ""
                said += f": it answers {_number(self.computed)}{by}, the truth is {_number(self.expected)}"
        return said


@dataclass(frozen=True, slots=True)
class Verdict:
    """One output: right, right up to a factor, or wrong; the largest error where it is right, and the range of that.

    `ulps` is the largest error over ordinary inputs, less what the rounding of the inputs explains; None if it is not
    right there.
    """

    output: str
    verdict: Literal["right", "right up to a factor", "nearly right", "wrong"]
    ulps: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Right:
    """The right formula of an output, and where there is some, code to paste."""

    output: str
    formula: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the audit of one piece of code found out; `ok` says that it found no fault."""

    target: str
    loss: str
    parameters: Mapping[str, float]
    convention: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    formulas: tuple[Right, ...] = ()
    code: str = ""
    points: int = 0

    @property
    def ok(self) -> bool:
        return not self.faults

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "fault")

    @property
    def notes(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "note")

    def kinds(self, output: str | None = None) -> list[str]:
        """The kinds of the faults, the most telling first."""
        return [f.kind for f in self.faults if output is None or f.output == output]

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; infinities and NaN become text."""
        data: dict[str, Any] = _plain({
            "schema": 1, "target": self.target, "loss": self.loss, "parameters": dict(self.parameters), "ok": self.ok,
            "points": self.points, "convention": list(self.convention), "verdicts": [asdict(v) for v in self.verdicts],
            "findings": [{**asdict(f), "given": dict(f.given)} for f in self.findings],
            "right": {r.output: r.formula for r in self.formulas}, "code": self.code,
        })  # fmt: skip
        return data

    def lines(self) -> Iterator[str]:
        given = ", ".join(f"{k} = {v:g}" for k, v in self.parameters.items())
        yield f"{self.target}, held against {self.loss}{f' with {given}' if given else ''}"
        if self.convention:
            yield f"  convention: {'; '.join(self.convention)}"
        for v in self.verdicts:
            yield f"  {NAMES[v.output]:9} {v.words}"
        for title, found in (("FAULT", self.faults), ("note", self.notes)):
            for f in found:
                yield f"  {title:5} {f.message}"
        if not self.ok and self.formulas:
            yield "  The right formulas:"
            for r in self.formulas:
                yield f"    {NAMES[r.output]:9} {r.formula}"
        if not self.ok and self.code:
            yield "  Code to paste:"
            yield ""
            yield from (f"    {line}" if line else "" for line in self.code.splitlines())
        if not self.findings:
            yield "  no findings"

    def text(self) -> str:
        return "\n".join(self.lines())


def _number(value: float) -> str:
    return f"{value:.17g}" if float(f"{value:.12g}") != value else f"{value:.12g}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
