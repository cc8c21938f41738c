"""How do the kernels of a loss become functions over arrays: of NumPy, or of what speaks its language?"""

from __future__ import annotations

from typing import Any

from ..spec.names import Allocator
from .ir import Const, Elem, Index, Kernel, Node, Reduce, Spread, Var, variables, walk
from .target import Arrays, Printer, Target


def array_functions(kernels: list[Kernel], target: Target) -> dict[str, Any]:
    """Every kernel as a function, and the sources of what they call beside the library."""
    functions = [(_rows if k.is_vector else _function)(k, target) for k in kernels]
    texts = [text for f in functions for text in (*f["lines"], *f["results"])]
    helpers = _arrays(target).helpers
    return {
        "functions": functions,
        "helpers": [source.strip() for name, source in helpers.items() if any(f"{name}(" in text for text in texts)],
        "imports_numpy": any("np." in text for text in texts),
        "needs_partial": any("partial(" in text for text in texts),
    }


def _arrays(target: Target) -> Arrays:
    assert target.arrays is not None
    return target.arrays


def _names(kernel: Kernel, target: Target) -> dict[str, str]:
    allocate = Allocator(target.reserved).allocate
    assigns = (*kernel.prologue, *kernel.body)
    return {n: allocate(n) for n in (*kernel.inputs, *kernel.parameters, *(a.name for a in assigns))}


def _function(kernel: Kernel, target: Target) -> dict[str, Any]:
    names = _names(kernel, target)
    printer = Printer(target, target.precisions[0], names)
    lines = [f"{names[a.name]} = {printer(a.value)}" for a in (*kernel.prologue, *kernel.body)]
    of_rows = {*kernel.inputs, *(a.name for a in kernel.body)}
    results = []
    for o in kernel.outputs:
        alone = (isinstance(o.value, Var) and o.value.name in kernel.inputs) or not variables(o.value) & of_rows
        results.append(_filled(printer(o.value), names, kernel, target) if alone else printer(o.value))
    return _parts(kernel, names, lines, results, target)


def _filled(text: str, names: dict[str, str], kernel: Kernel, target: Target) -> str:
    """An output that is a number or an input, as an array of its own."""
    fill = _arrays(target).fill
    return text if fill is None else fill.format(text, names[(kernel.vectors or kernel.inputs)[-1]])


def _parts(
    kernel: Kernel, names: dict[str, str], lines: list[str], results: list[str], target: Target
) -> dict[str, Any]:
    typed = target.typed.partition("{")[0]
    if typed and any(typed in text for text in (*lines, *results)):
        lines.insert(0, _arrays(target).head.format(names[(kernel.vectors or kernel.inputs)[0]]))
    return {
        "name": kernel.name,
        "arguments": ", ".join(names[n] for n in (*kernel.inputs, *kernel.parameters)),
        "lines": lines,
        "results": results,
    }


def _rows(kernel: Kernel, target: Target) -> dict[str, Any]:
    """Rows as (n, K); what is one number a row has shape (n, 1), so that everything broadcasts."""
    names, arrays = _names(kernel, target), _arrays(target)
    flat = _printer(kernel, target, names, ())
    vector = names[kernel.vectors[-1]]
    lines = [f"{names[a.name]} = {_reduction(a.value, flat, arrays)}" for a in kernel.body]
    results = []
    for axes, o in zip(kernel.axes, kernel.outputs, strict=True):
        text = _printer(kernel, target, names, axes)(o.value)
        if not axes:
            text = f"({text})[:, 0]"
        elif any(isinstance(n, Var) for n in walk(o.value)) or len(axes) == 2:
            shape = f"{vector}.shape" if len(axes) == 1 else f"(*{vector}.shape, {vector}.shape[1])"
            text = arrays.broadcast.format(text, shape) if not _spans(o.value, axes) else text
        elif isinstance(o.value, Const | Elem):
            text = _filled(text, names, kernel, target)
        results.append(text)
    if any("classes" in text for text in (*lines, *results)):
        lines.insert(0, f"classes = {arrays.classes.format(vector)}")
    return _parts(kernel, names, lines, results, target)


def _spans(node: Node, axes: tuple[str, ...]) -> bool:
    """Whether a value runs over all the axes of its output by itself."""
    used = {n.index if isinstance(n, Elem) else n.name for n in walk(node) if isinstance(n, Elem | Index)}
    rows = any(isinstance(n, Elem | Var) for n in walk(node))
    return set(axes) <= used and rows


def _printer(kernel: Kernel, target: Target, names: dict[str, str], axes: tuple[str, ...]) -> Printer:
    deep = len(axes) == 2
    pad = "[:, :, None]" if deep else ""
    scalars = {n: f"{text}{pad}" for n, text in names.items() if n not in kernel.parameters}
    label = kernel.index_target
    if label:
        scalars[label] = f"{names[label]}[:, None{', None' if deep else ''}]"

    def element(v: str, index: str) -> str:
        if index == label:
            return _arrays(target).take.format(names[v], f"{names[index]}[:, None]") + pad
        if not deep:
            return names[v]
        return f"{names[v]}[:, :, None]" if index == axes[0] else f"{names[v]}[:, None, :]"

    def index_of(index: str) -> str:
        return "classes[:, None]" if deep and index == axes[0] else "classes"

    return Printer(target, target.precisions[0], names | scalars, element, index_of)


def _reduction(value: Node, printer: Printer, arrays: Arrays) -> str:
    if isinstance(value, Spread):
        return printer(value.body)
    if isinstance(value, Reduce):
        return arrays.reduce[value.op].format(printer(value.body))
    return printer(value)
