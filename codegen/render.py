"""How does a kernel become the text of a file?

Names become identifiers, IR becomes strings, and a template gives the file its
shape. Everything a template receives is finished text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..spec.model import Loss
from .environment import environment
from .ir import Kernel
from .passes import optimise
from .target import TargetError, refuse_unknown
from .targets import TARGETS
from .write_arrays import array_functions
from .write_c import c_file
from .write_tensors import DIALECTS, tensor_module


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to be written: its path below the output folder, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """What a generated file says of itself."""

    name: str
    title: str
    formula: str
    regenerate: str
    version: str
    loss: Loss | None = None  # for targets whose files hold a function to call


def render(kernels: Iterable[Kernel], target_name: str, header: Header) -> Artifact:
    """One file with every kernel of a loss. Raises TargetError for what the target cannot express."""
    target = TARGETS[target_name]
    ready = [optimise(k, eager_select=target.eager_select) for k in kernels]
    for kernel in ready:
        refuse_unknown(kernel, target)
    say = _in_c_comment if target.name == "c" else _in_docstring
    context: dict[str, Any] = {
        "title": say(header.title),
        "formula": say(header.formula),
        "regenerate": header.regenerate,
        "version": header.version,
    }
    if target.name == "c":
        context |= c_file(ready, target, header.name)
    else:
        context |= array_functions(ready, target)
    if target.name in DIALECTS:
        if header.loss is None:
            raise TargetError(f"a file for {target.name} has a function to call: the header must name the loss")
        context |= {"summary": say(header.loss.summary), **tensor_module(header.loss, target)}
    text = environment().get_template(target.template).render(context)
    return Artifact(f"{target.name}/{header.name}{target.extension}", text)


def _in_c_comment(text: str) -> str:
    """Text that can neither end a comment, start one, nor be read as a trigraph or a continued line."""
    return text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").replace("\\", "/")


def _in_docstring(text: str) -> str:
    """Text that can neither end a docstring nor be read as an escape."""
    return text.replace("\\", "/").replace('"', "'")
