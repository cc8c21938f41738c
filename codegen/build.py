"""Which files does a loss become, and do the files on disk still say the same?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..derive import certificates
from ..derive.certificates import Document, Statement
from ..derive.derivation import derive
from ..derive.properties import statement_of
from ..derive.proving import Tell, prove_losses
from ..spec.catalog import CATALOG
from ..spec.model import Loss
from ..spec.notation import text
from .facts import dumps, facts
from .kernels import kernels
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
    proofs: Document | None = None,
) -> list[Artifact]:
    """The files of one loss: code for each target, and the facts; with `proofs` also what is proved, and how."""
    derivation = derive(loss)
    lowered = kernels(derivation)
    header = Header(loss.name, loss.title, text(loss.expression), regenerate, __version__, loss)
    files = [render(lowered, target, header) for target in targets]
    about = statement_of(derivation)
    shown = certificates.properties(about, proofs) if about is not None and proofs is not None else {}
    files.append(Artifact(f"facts/{loss.name}.json", dumps(facts(derivation, lowered, shown))))
    return files if proofs is None else [*files, _certificates(loss.name, proofs)]


def catalogue_artifacts(proofs: Mapping[str, Document]) -> list[Artifact]:
    """The files of every loss of the catalogue, with an index for `list`; `proofs` by name of the loss."""
    targets = [kind for kind in KINDS if kind != "facts"]
    files = [a for loss in CATALOG.values() for a in artifacts(loss, targets=targets, proofs=proofs.get(loss.name))]
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

    `proofs` are documents of certificates by the name of the loss; those of another formula or of another state of the
    prover are `stale`, with the statements that are to be proved. Losses of vectors have neither.
    """

    proofs: dict[str, Document]
    stale: dict[str, Statement]


def ledger(losses: Iterable[Loss], *roots: Path) -> Ledger:
    """The proofs of each loss: from the first folder that has fitting ones, else what the first folder has."""
    found = Ledger({}, {})
    for loss in losses:
        about = statement_of(derive(loss))
        if about is None:
            continue
        written = [_read(root / f"facts/certificates/{loss.name}.json") for root in roots]
        fitting = [made for made in written if made is not None and certificates.fits(made, about)]
        if not fitting:
            found.stale[loss.name] = about
        for made in fitting or written[:1]:
            if made is not None:
                found.proofs[loss.name] = made
                break
    return found


def _read(path: Path) -> Document | None:
    return certificates.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def prove(known: Ledger, root: Path, jobs: int | None = None, tell: Tell = lambda done, total: None) -> Ledger:
    """Prove what is stale. Each loss is written down as soon as it is proved, so that no work is lost on the way."""
    proofs = dict(known.proofs)
    for name, claims in prove_losses(known.stale, jobs, tell):
        proofs[name] = certificates.document(known.stale[name], claims)
        write([_certificates(name, proofs[name])], root)
    return Ledger(proofs, {})


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
