"""How do the kernels of a loss become a module for NumPy?"""

from __future__ import annotations

from typing import Any

from ..spec.names import Allocator
from .ir import Elem, Index, Kernel, Node, Reduce, Spread, Var, walk
from .target import Printer, Target

# What NumPy has not, by the name that kernels call.
_HELPERS = {
    "exp_difference": """
def exp_difference(a, b):
    # exp(a - b). What the rounded difference lacks (Knuth) is put right after, or exp would amplify it by |a - b|.
    difference = a - b
    back = difference - a
    lost = (a - (difference - back)) - (b + back)
    whole = np.exp(difference)
    return np.where(difference < -1000.0, whole, whole + whole * lost)
""",
}


def numpy_file(kernels: list[Kernel], target: Target) -> dict[str, Any]:
    functions = [(_rows if k.is_vector else _function)(k, target) for k in kernels]
    texts = [text for f in functions for text in (*f["lines"], *f["results"])]
    return {
        "functions": functions,
        "helpers": [source.strip() for name, source in _HELPERS.items() if any(f"{name}(" in text for text in texts)],
        "imports_numpy": any("np." in text for text in texts),
    }


def _names(kernel: Kernel, target: Target) -> dict[str, str]:
    allocate = Allocator(target.reserved).allocate
    assigns = (*kernel.prologue, *kernel.body)
    return {n: allocate(n) for n in (*kernel.inputs, *kernel.parameters, *(a.name for a in assigns))}


def _function(kernel: Kernel, target: Target) -> dict[str, Any]:
    names = _names(kernel, target)
    printer = Printer(target, target.precisions[0], names)
    lines = [f"{names[a.name]} = {printer(a.value)}" for a in (*kernel.prologue, *kernel.body)]
    return _parts(kernel, names, lines, [printer(o.value) for o in kernel.outputs])


def _parts(kernel: Kernel, names: dict[str, str], lines: list[str], results: list[str]) -> dict[str, Any]:
    if any("dtype(" in text for text in (*lines, *results)):
        prediction = names[kernel.vectors[0] if kernel.vectors else kernel.inputs[0]]
        lines.insert(0, f"dtype = {prediction}.dtype.type")
    return {
        "name": kernel.name,
        "arguments": ", ".join(names[n] for n in (*kernel.inputs, *kernel.parameters)),
        "lines": lines,
        "results": results,
    }


def _rows(kernel: Kernel, target: Target) -> dict[str, Any]:
    """Rows as (n, K); what is one number a row has shape (n, 1), so that everything broadcasts."""
    names = _names(kernel, target)
    flat = _printer(kernel, target, names, ())
    vector = names[kernel.vectors[-1]]
    lines = [f"{names[a.name]} = {_reduction(a.value, flat)}" for a in kernel.body]
    results = []
    for axes, o in zip(kernel.axes, kernel.outputs, strict=True):
        text = _printer(kernel, target, names, axes)(o.value)
        if not axes:
            text = f"({text})[:, 0]"
        elif any(isinstance(n, Var) for n in walk(o.value)) or len(axes) == 2:
            shape = f"{vector}.shape" if len(axes) == 1 else f"(*{vector}.shape, {vector}.shape[1])"
            text = f"np.broadcast_to({text}, {shape}).copy()" if not _spans(o.value, axes) else text
        results.append(text)
    if any("classes" in text for text in (*lines, *results)):
        lines.insert(0, f"classes = np.arange({vector}.shape[1])")
    return _parts(kernel, names, lines, results)


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
            return f"np.take_along_axis({names[v]}, {names[index]}[:, None], axis=1){pad}"
        if not deep:
            return names[v]
        return f"{names[v]}[:, :, None]" if index == axes[0] else f"{names[v]}[:, None, :]"

    def index_of(index: str) -> str:
        return "classes[:, None]" if deep and index == axes[0] else "classes"

    return Printer(target, target.precisions[0], names | scalars, element, index_of)


def _reduction(value: Node, printer: Printer) -> str:
    if isinstance(value, Spread):
        return printer(value.body)
    if isinstance(value, Reduce):
        return f"np.{value.op}({printer(value.body)}, axis=1, keepdims=True)"
    return printer(value)
