"""What kind of function is a loss? Its claims, each proved when it is first asked for.

The claims are made by `claiming` about a formula as text, without SymPy; here they meet the derivation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..spec.notation import text
from .forms import proved_base

if TYPE_CHECKING:
    from .derivation import Derivation

Verdict = Literal["proved", "refuted", "conditional", "undecided"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A property of a loss and what is known of it.

    `value` is the best constant that belongs to the property and `bound` one that is only valid, both formulas over
    the parameters as text (of a statistic, a dictionary); `condition` says for which parameters a `conditional`
    property holds; `witness` is where a refuted one fails; `reason` is what stood in the way of a decision.
    `certificate` is what `checker.check` follows.
    """

    property: str
    verdict: Verdict
    value: Any = None
    bound: str | None = None
    condition: str | None = None
    witness: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    certificate: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def as_data(self) -> dict[str, Any]:
        """The claim as JSON, without its certificate: the verdict, and whatever else is known."""
        rest = {"value": self.value, "bound": self.bound, "condition": self.condition, "reason": self.reason or None}
        known = {"verdict": self.verdict} | {key: content for key, content in rest.items() if content is not None}
        return known | ({"witness": dict(self.witness)} if self.witness else {})


class Claims(Mapping[str, Claim]):
    """The claims about a loss, by name of property; each is proved once, when it is looked at."""

    def __init__(self, statement: dict[str, Any] | None) -> None:
        self._statement = statement
        self._known: dict[str, Claim | None] = {}
        if statement is not None:
            from .claiming import applicable

            self._known = dict.fromkeys(applicable(statement))

    def __getitem__(self, name: str) -> Claim:
        claim = self._known[name]
        if claim is None and self._statement is not None:
            from .certificates import entry
            from .claiming import claim as claim_of

            made, certificate = claim_of(self._statement, name)
            known = entry(self._statement, made, certificate)
            witness = tuple(known.pop("witness", {}).items())
            claim = self._known[name] = Claim(name, **known, witness=witness, certificate=certificate)
        assert claim is not None
        return claim

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def statement_of(derivation: Derivation) -> dict[str, Any] | None:
    """What is proved about (see `checker.statement`); None for vectors in several arguments."""
    from .certificates import statement
    from .derivation import kept_definitions

    loss = derivation.loss
    return statement(
        {
            "base": proved_base(loss),
            "size": None if loss.size is None else loss.size.name,
            "arguments": {a.name: {"role": a.role, "domain": a.domain.text} for a in loss.arguments},
            "parameters": {p.name: {"domain": p.domain.text} for p in loss.parameters},
            "definitions": {d.symbol.name: text(d.meaning) for d in kept_definitions(derivation)},
            "formula": {"text": text(loss.expression)},
        }
    )
