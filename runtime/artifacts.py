"""Where do the generated code and facts of a loss come from?

Of a catalogue loss they lie in `generated/` and are read when first needed; of
a loss compiled on the fly they are texts in memory. Both answer the same
three questions: facts, a NumPy module, a C source.
"""

from __future__ import annotations

import importlib
import json
import linecache
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import generated
from .errors import ArtifactError

Facts = dict[str, Any]

SCHEMA = 1
_BUILD = "run: lossforge build"


def folder() -> Path:
    """The folder of the committed generated files."""
    return Path(generated.__path__[0])


def _read_json(path: Path) -> Facts:
    try:
        facts: Facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read {path.name} of the generated files ({error}); {_BUILD}") from error
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise ArtifactError(f"{path.name} is not of schema {SCHEMA}; {_BUILD}")
    return facts


@cache
def index() -> dict[str, Facts]:
    """The catalogue: name -> title, summary, family and formula; {} before the first build."""
    path = folder() / "facts" / "index.json"
    if not path.exists():
        return {}
    losses: dict[str, Facts] = _read_json(path)["losses"]
    return losses


@cache
def catalogue_facts(name: str) -> Facts:
    """The facts of one catalogue loss."""
    return _read_json(folder() / "facts" / f"{name}.json")


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The generated files of one loss; a source of None stands in `generated/`."""

    facts: Facts
    numpy_source: str | None = None
    c_source: str | None = None
    _module: list[ModuleType] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    @property
    def catalogued(self) -> bool:
        return self.numpy_source is None

    def numpy_module(self) -> ModuleType:
        """The module with the NumPy functions, executed once."""
        if not self._module:
            self._module.append(self._execute() if self.numpy_source is not None else self._import())
        return self._module[0]

    def c_text(self) -> str:
        """The C source."""
        if self.c_source is not None or not self.catalogued:
            return self.c_source or ""
        path = folder() / "c" / f"{self.name}.c"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise ArtifactError(f"cannot read the generated file c/{path.name} ({error}); {_BUILD}") from error

    def _import(self) -> ModuleType:
        try:
            return importlib.import_module(f"{generated.__name__}.numpy.{self.name}")
        except ModuleNotFoundError as error:
            raise ArtifactError(f"the generated file numpy/{self.name}.py is absent; {_BUILD}") from error

    def _execute(self) -> ModuleType:
        # The text comes from our generator, never from a user; see codegen.
        source, filename = self.numpy_source or "", f"<lossforge {self.name}>"
        module = ModuleType(f"lossforge_{self.name}")
        module.__file__ = filename
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        exec(compile(source, filename, "exec"), module.__dict__)
        return module
