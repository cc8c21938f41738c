"""Where do the generated code and facts of a loss come from?

Of a catalogue loss they lie in `generated/` and are read when first needed; of
a loss compiled on the fly they are texts in memory. Both answer the same
questions: facts, a NumPy module, a C source, a module for PyTorch or JAX.
"""

from __future__ import annotations

import importlib
import inspect
import json
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
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
    """The generated files of one loss; without a source, they stand in `generated/`.

    `tensor_sources` are the modules for other array libraries, "torch" and "jax".
    """

    facts: Facts
    numpy_source: str | None = None
    c_source: str | None = None
    tensor_sources: Mapping[str, str] = field(default_factory=dict)
    _modules: dict[str, ModuleType] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    @property
    def catalogued(self) -> bool:
        return self.numpy_source is None and not self.tensor_sources

    def numpy_module(self) -> ModuleType:
        """The module with the NumPy functions, executed once."""
        return self._module("numpy", self.numpy_source)

    def tensor_module(self, library: str) -> ModuleType:
        """The module for "torch" or "jax", executed once; ImportError where the library is not installed."""
        return self._module(library, self.tensor_sources.get(library))

    def tensor_function(self, library: str, parameters: Mapping[str, float]) -> Callable[..., Any]:
        """The loss as a function of predictions and targets in that library, with its parameters bound."""
        module = self.tensor_module(library)
        function = getattr(module, module.__all__[0])
        # The generated function may have to call them otherwise, such as lambda_2.
        names = inspect.getfullargspec(function).kwonlyargs
        return partial(function, **dict(zip(names, map(float, parameters.values()), strict=False)))

    def c_text(self) -> str:
        """The C source."""
        if self.c_source is not None or not self.catalogued:
            return self.c_source or ""
        path = folder() / "c" / f"{self.name}.c"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise ArtifactError(f"cannot read the generated file c/{path.name} ({error}); {_BUILD}") from error

    def _module(self, kind: str, source: str | None) -> ModuleType:
        if kind not in self._modules:
            if source is None and not self.catalogued:
                remedy = "pass the formula, as from lf.parse, to lf.objective"
                raise ArtifactError(f"{self.name} was compiled without its code for {kind}; {remedy}")
            self._modules[kind] = self._import(kind) if source is None else self._execute(kind, source)
        return self._modules[kind]

    def _import(self, kind: str) -> ModuleType:
        name = f"{generated.__name__}.{kind}.{self.name}"
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, name.rpartition(".")[0]):
                raise
            raise ArtifactError(f"the generated file {kind}/{self.name}.py is absent; {_BUILD}") from error

    def _execute(self, kind: str, source: str) -> ModuleType:
        # The text comes from our generator, never from a user; see codegen.
        filename = f"<lossforge {kind} {self.name}>"
        module = ModuleType(f"lossforge_{self.name}")
        module.__file__ = filename
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        exec(compile(source, filename, "exec"), module.__dict__)
        return module
