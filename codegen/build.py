"""Which files does a loss become, and do the files on disk still say the same?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..derive import certificates
from ..derive.certificates import Document, Statement
from ..derive.curvatures import Claimed, curvatures, lemmas
from ..derive.derivation import Derivation, derive
from ..derive.properties import statement_of
from ..derive.proving import Tell, prove_losses
from ..spec.catalog import CATALOG
from ..spec.model import Loss
from ..spec.notation import text
from .facts import dumps, facts
from .kernels import extra_kernels, kernels
from .render import Artifact, Header, render

KINDS = ("numpy", "c", "torch", "jax", "facts")


@dataclass(frozen=True, slots=True)
class Drift:
    """How a folder differs from what would be written; paths below the folder."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed)


def artifacts(
    loss: Loss,
    regenerate: str = "lossforge build",
    targets: Sequence[str] = ("numpy", "c"),
    proofs: Mapping[str, Document] | None = None,
) -> list[Artifact]:
    """The files of one loss: code for each target, and the facts.

    With `proofs`, documents by the name of what they are about (see `Ledger`), also what is proved, and how.
    """
    derivation = derive(loss)
    known = {name: made for name, made in (proofs or {}).items() if name.split(".")[0] == loss.name}
    claims = _claims(derivation, known)
    shown = {
        name: _only_claim(known[f"{loss.name}.{name}"])
        for name in lemmas(derivation, claims)
        if f"{loss.name}.{name}" in known
    }
    files = files_of(derivation, claims, shown, regenerate, targets)
    return [*files, *(_certificates(name, made) for name, made in known.items())]


def files_of(
    derivation: Derivation, claims: Claimed, shown: Claimed, regenerate: str, targets: Sequence[str]
) -> list[Artifact]:
    """The files of a loss about which `claims` are known, and of its curvatures what is `shown`, both as data."""
    loss = derivation.loss
    found = curvatures(derivation, claims, shown)
    lowered, more = kernels(derivation), extra_kernels(derivation, found.values())
    header = Header(loss.name, loss.title, text(loss.expression), regenerate, __version__, loss)
    files = [render([*lowered, *(more if target == "numpy" else ())], target, header) for target in targets]
    return [*files, Artifact(f"facts/{loss.name}.json", dumps(facts(derivation, lowered, claims, found)))]


def _claims(derivation: Derivation, known: Mapping[str, Document]) -> dict[str, dict[str, Any]]:
    """What is proved about a loss, as data; {} where nothing is."""
    about, made = statement_of(derivation), known.get(derivation.loss.name)
    return {} if about is None or made is None else certificates.properties(about, made)


def _only_claim(made: Document) -> dict[str, Any]:
    (shown,) = made["claims"].values()
    claim: dict[str, Any] = shown["claim"]
    return claim


def catalogue_artifacts(proofs: Mapping[str, Document]) -> list[Artifact]:
    """The files of every loss of the catalogue, with an index for `list`."""
    targets = [kind for kind in KINDS if kind != "facts"]
    files = [a for loss in CATALOG.values() for a in artifacts(loss, targets=targets, proofs=proofs)]
    index = {
        loss.name: {
            "title": loss.title,
            "summary": loss.summary,
            "family": loss.family,
            "formula": text(loss.expression),
        }
        for loss in CATALOG.values()
    }
    return [*files, Artifact("facts/index.json", dumps({"schema": 1, "losses": index}))]


# Proofs ------------------------------------------------------------------------------------------


def _certificates(name: str, proofs: Document) -> Artifact:
    return Artifact(f"facts/certificates/{name}.json", certificates.dumps(proofs))


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is proved about some losses, read from the files of a folder, and what has to be proved anew.

    `proofs` are documents of certificates, by the name of the loss, `huber`, and of the lemmas about its curvatures,
    `huber.majorizer.concave`; those of another formula or of another state of the prover are `stale`, with the
    statements that are to be proved, of which `asked` names the properties where not all are wanted. Losses of
    vectors have neither.
    """

    proofs: dict[str, Document]
    stale: dict[str, Statement]
    asked: dict[str, tuple[str, ...]]

    def enter(self, name: str, about: Statement, roots: Sequence[Path]) -> bool:
        """Take up the proofs of one statement: from the first folder that has fitting ones, else what the first has."""
        written = [_read(root / f"facts/certificates/{name}.json") for root in roots]
        fitting = [made for made in written if made is not None and certificates.fits(made, about)]
        if not fitting:
            self.stale[name] = about
        for made in fitting or written[:1]:
            if made is not None:
                self.proofs[name] = made
                break
        return bool(fitting)


def ledger(losses: Iterable[Loss], *roots: Path) -> Ledger:
    """The proofs of each loss, and of the lemmas that follow from what is proved about it."""
    found = Ledger({}, {}, {})
    for loss in losses:
        derivation = derive(loss)
        about = statement_of(derivation)
        if about is None:
            continue
        found.enter(loss.name, about, roots)
        for name, lemma in lemmas(derivation, _claims(derivation, found.proofs)).items():
            if not found.enter(f"{loss.name}.{name}", lemma.about, roots):
                found.asked[f"{loss.name}.{name}"] = (lemma.property,)
    return found


def _read(path: Path) -> Document | None:
    return certificates.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def prove(known: Ledger, root: Path, jobs: int | None = None, tell: Tell = lambda done, total: None) -> Ledger:
    """Prove what is stale. Each statement is written down as soon as it is proved, so that no work is lost on the way.

    What is proved about a loss decides which lemmas there are: take the ledger again afterwards.
    """
    proofs = dict(known.proofs)
    for name, claims in prove_losses(known.stale, jobs, tell, known.asked):
        about = known.stale[name]
        proofs[name] = certificates.document(about, claims) | ({"about": about} if name in known.asked else {})
        write([_certificates(name, proofs[name])], root)
    return Ledger(proofs, {}, {})


# Files -------------------------------------------------------------------------------------------


def drift(made: Iterable[Artifact], known: Ledger, root: Path) -> Drift:
    """How a folder differs from what would be written, where certificates that are stale count as changed."""
    found = compare(made, root)
    stale = {_certificates(name, {"claims": {}}).path for name in known.stale}
    missing = {path for path in stale if not (root / path).is_file()}
    return Drift(
        tuple(sorted({*found.missing, *missing})),
        tuple(path for path in found.extra if path not in stale),
        tuple(sorted({*found.changed, *(stale - missing)})),
    )


def compare(made: Iterable[Artifact], root: Path) -> Drift:
    """What is missing, extra or changed below `root`."""
    wanted = {a.path: a.text for a in made}
    kinds = {path.split("/")[0] for path in wanted}
    there = {
        path.relative_to(root).as_posix()
        for kind in kinds
        for path in (root / kind).rglob("*")
        if path.is_file() and path.name != "__init__.py" and "__pycache__" not in path.parts
    }
    changed = [p for p in sorted(there & wanted.keys()) if (root / p).read_bytes() != wanted[p].encode()]
    return Drift(tuple(sorted(wanted.keys() - there)), tuple(sorted(there - wanted.keys())), tuple(changed))


def write(made: Iterable[Artifact], root: Path) -> None:
    """Write files below `root`, each to a temporary name that then replaces the old one.

    Everything is rendered before the first file is touched; a failure on the
    way leaves every file either old or new, never half of one.
    """
    for artifact in list(made):
        path = root / artifact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() == artifact.text.encode():
            continue
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(artifact.text.encode())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def remove_extra(made: Iterable[Artifact], root: Path) -> tuple[str, ...]:
    """Delete generated files that no loss makes any more; returns their paths."""
    extra = compare(made, root).extra
    for path in extra:
        (root / path).unlink()
    return extra
