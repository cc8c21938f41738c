"""What stands in a file of certificates, and does the checker accept it? Needs neither SymPy nor the prover.

A document holds every claim about one loss with its certificate, under the digests of what was proved (the loss) and of
what proved it (the sources of the engine). From claim and certificate follows what the facts say of a property.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import json
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import checker, classes, joint
from .joint_witness import witness
from .reading import Unproved

SCHEMA = 1
ENGINE = (  # what a claim depends on, beside the loss
    "reading", "tower", "formal", "balls", "lemmas", "cells", "duality", "judgements", "checker",
    "search", "explorer", "roots", "strata", "dual_strategies", "strategies", "prove",
)  # fmt: skip
SEVERAL = (*ENGINE, "joint", "joint_search")  # of several predictions
CLASSES = ("reading", "tower", "cells", "checker", "classes", "classes_search")

Statement = dict[str, Any]
Document = dict[str, Any]
Proved = tuple[dict[str, Any], dict[str, Any] | None]  # a claim, and its certificate where it is decided


def prover_digest(about: Statement) -> str:
    """Of the sources of the engine that a statement needs: other sources may prove more, or otherwise."""
    return _digest(CLASSES if "size" in about else SEVERAL if "variables" in about else ENGINE)


@functools.cache
def _digest(names: tuple[str, ...]) -> str:
    sources = [_code((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")) for name in names]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def _code(source: str) -> str:
    """A source without its comments and docstrings, which no claim depends on; the same for every Python."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            said = node.body[0]
            lines[said.lineno - 1 : said.end_lineno] = [""] * ((said.end_lineno or said.lineno) - said.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def statement(facts: Mapping[str, Any]) -> Statement | None:
    """What is proved about a loss with these facts; None where nothing is: several vectors."""
    if facts["size"] is not None:
        return classes.statement(dict(facts))
    predictions = [a for a in facts["arguments"].values() if a["role"] == "prediction"]
    return (checker if len(predictions) == 1 else joint).statement(dict(facts))


def entry(about: Statement, claim: dict[str, Any], certificate: dict[str, Any] | None) -> dict[str, Any]:
    """What the facts say of a property: the claim, and where a refuted property fails."""
    known = {key: claim[key] for key in ("verdict", "value", "bound", "condition", "reason") if key in claim}
    found = witness(about, certificate) if claim["verdict"] == "refuted" and certificate is not None else {}
    return known | ({"witness": found} if found else {})


def document(about: Statement, claims: Mapping[str, Proved]) -> Document:
    """The content of a file of certificates."""
    return {
        "schema": SCHEMA,
        "loss": checker.digest(about),
        "prover": prover_digest(about),
        "claims": {name: {"claim": claim, "certificate": shown} for name, (claim, shown) in claims.items()},
    }


def properties(about: Statement, made: Document) -> dict[str, dict[str, Any]]:
    """What the facts say of each property, read from a document."""
    return {name: entry(about, c["claim"], c["certificate"]) for name, c in made["claims"].items()}


def fits(made: Document | None, about: Statement) -> bool:
    """Whether a document belongs to this loss and was made by this engine."""
    return made is not None and (made["loss"], made["prover"]) == (checker.digest(about), prover_digest(about))


def dumps(made: Document) -> str:
    """JSON with a line for each claim and one for each certificate, so that a difference shows where it is."""

    def line(content: Any) -> str:
        return json.dumps(content, ensure_ascii=False, separators=(", ", ": "))

    head = "".join(f" {line(key)}: {line(content)},\n" for key, content in made.items() if key != "claims")
    rows = [
        f'  {line(name)}: {{\n   "claim": {line(c["claim"])},\n   "certificate": {line(c["certificate"])}\n  }}'
        for name, c in made["claims"].items()
    ]
    return "{\n" + head + ' "claims": {' + ("\n" + ",\n".join(rows) + "\n " if rows else "") + "}\n}\n"


def loads(text: str) -> Document | None:
    """A document, or None where the text is none of this schema."""
    try:
        made: Document = json.loads(text)
        whole = made["schema"] == SCHEMA and {"loss", "prover"} <= made.keys()
        for name, c in made["claims"].items():
            whole &= c["claim"]["property"] == name and "verdict" in c["claim"] and "certificate" in c
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return made if whole else None


@dataclass(frozen=True, slots=True)
class Review:
    """What the checker says of the claims about a loss; `problems` are a property and what is wrong with it."""

    claims: int
    decided: int
    accepted: int
    problems: tuple[tuple[str, str], ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def review(facts: Mapping[str, Any], made: Document | None) -> Review:
    """Check every claim that facts make, and every certificate of a document."""
    claims, about = facts["properties"], statement(facts)
    decided = [name for name, claim in claims.items() if claim["verdict"] != "undecided"]
    known = {} if made is None else made["claims"]
    problems, cells = list[tuple[str, str]](), dict[Any, Any]()
    for name in dict.fromkeys([*claims, *known]):
        problem = _problem(about, claims.get(name), known.get(name), cells)
        if problem is not None:
            problems.append((name, problem))
    wrong = {name for name, _ in problems}
    return Review(len(claims), len(decided), sum(name not in wrong for name in decided), tuple(problems))


def review_lemma(made: Document | None) -> str | None:
    """What is wrong with a document about a lemma, which holds its statement; None where nothing is."""
    if made is None or not isinstance(made.get("about"), dict) or len(made["claims"]) != 1:
        return "the file is not a document about one lemma"
    (shown,) = made["claims"].values()
    about, cells = made["about"], dict[Any, Any]()
    if made["loss"] != checker.digest(about):
        return "the digest is that of another statement"
    return _problem(about, entry(about, shown["claim"], shown["certificate"]), shown, cells)


def _problem(
    about: Statement | None, said: dict[str, Any] | None, shown: dict[str, Any] | None, cells: dict[Any, Any]
) -> str | None:
    """What is wrong with one claim: what the facts say of it, and what the document shows."""
    if about is None:
        return "nothing is proved about losses of several vectors"
    if said is None:
        return "the facts do not say what the certificate shows"
    if shown is None or shown["certificate"] is None:
        if said["verdict"] == "undecided" and (shown is None or shown["claim"]["verdict"] == "undecided"):
            return None if said.keys() <= {"verdict", "reason"} else "an undecided claim says more than its reason"
        return f"it is said to be {said['verdict']}, and there is no certificate"
    try:
        checker.check(about, shown["claim"], shown["certificate"], cells)
        if entry(about, shown["claim"], shown["certificate"]) != said:
            return "the facts say otherwise than the claim that the certificate shows"
    except Unproved as problem:
        return f"the certificate is refused: {problem}"
    except Exception as problem:  # whatever a spoilt certificate does to the checker, it is not accepted
        return f"the certificate cannot be followed: {problem!r}"
    return None
