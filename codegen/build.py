"""Which files does a loss become, and do the files on disk still say the same?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..derive.derivation import derive
from ..spec.catalog import CATALOG
from ..spec.model import Loss
from ..spec.notation import text
from .facts import dumps, facts
from .kernels import kernels
from .render import Artifact, Header, render

KINDS = ("numpy", "c", "facts")


@dataclass(frozen=True, slots=True)
class Drift:
    """How a folder differs from what would be written; paths below the folder."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed)


def artifacts(
    loss: Loss, regenerate: str = "lossforge build", targets: Sequence[str] = ("numpy", "c")
) -> list[Artifact]:
    """The files of one loss: code for each target, and the facts."""
    derivation = derive(loss)
    lowered = kernels(derivation)
    header = Header(loss.name, loss.title, text(loss.expression), regenerate, __version__)
    files = [render(lowered, target, header) for target in targets]
    return [*files, Artifact(f"facts/{loss.name}.json", dumps(facts(derivation, lowered)))]


def catalogue_artifacts() -> list[Artifact]:
    """The files of every loss of the catalogue, with an index for `list`."""
    files = [a for loss in CATALOG.values() for a in artifacts(loss)]
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
