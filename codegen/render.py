"""How does a kernel become the text of a file?

Names become identifiers, IR becomes strings, and a template gives the file its
shape. Everything a template receives is finished text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..spec.names import Allocator
from . import elementary
from .elementary import closure
from .environment import environment
from .ir import Assign, Call, Elem, Index, Kernel, Node, Reduce, Var, variables, walk
from .passes import optimise
from .target import Precision, Printer, Target, refuse_unknown
from .targets import TARGETS


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
        context |= _c_file(ready, target, header)
    else:
        context |= _numpy_file(ready, target)
    text = environment().get_template(target.template).render(context)
    return Artifact(f"{target.name}/{header.name}{target.extension}", text)


def _in_c_comment(text: str) -> str:
    """Text that can neither end a comment, start one, nor be read as a trigraph or a continued line."""
    return text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").replace("\\", "/")


def _in_docstring(text: str) -> str:
    """Text that can neither end a docstring nor be read as an escape."""
    return text.replace("\\", "/").replace('"', "'")


def _uses(kernel: Kernel) -> frozenset[str]:
    """The names that prologue, body and outputs read."""
    assigns = (*kernel.prologue, *kernel.body, *kernel.outputs)
    return frozenset().union(*(variables(a.value) | _indexed_by(a.value) for a in assigns))


def _indexed_by(node: Node) -> frozenset[str]:
    return frozenset(n.index for n in walk(node) if isinstance(n, Elem))


# -- C ----------------------------------------------------------------------------------------------------

# NaN in the second argument is passed on; fmax would swallow it.
_HELPERS = {
    "max": "static inline {t} maximum{s}({t} a, {t} b)\n{{\n    return a > b ? a : b;\n}}",
    "min": "static inline {t} minimum{s}({t} a, {t} b)\n{{\n    return a < b ? a : b;\n}}",
    "sign": "static inline {t} sign{s}({t} x)\n{{\n"
    "    return x > {zero} ? {one} : (x < {zero} ? -{one} : x);\n}}",
}  # fmt: skip


def _c_file(kernels: list[Kernel], target: Target, header: Header) -> dict[str, Any]:
    called = {
        n.function
        for kernel in kernels
        for a in (*kernel.prologue, *kernel.body, *kernel.outputs)
        for n in walk(a.value)
        if isinstance(n, Call)
    }
    own = closure(called)
    helpers = [elementary.source(own, p) for p in target.precisions if own]
    helpers += [
        text.format(t=p.c_type, s=p.function_suffix, zero=f"0.0{p.literal_suffix}", one=f"1.0{p.literal_suffix}")
        for name, text in _HELPERS.items()
        if name in called
        for p in target.precisions
    ]
    functions = [_c_function(kernel, p, target, header.name) for p in target.precisions for kernel in kernels]
    return {"helpers": helpers, "bits": bool(own), "functions": functions, "vector": any(k.is_vector for k in kernels)}


def _c_function(kernel: Kernel, precision: Precision, target: Target, loss: str) -> dict[str, Any]:
    t = precision.c_type
    allocate = Allocator(target.reserved).allocate
    array = {n: allocate(n) for n in kernel.inputs}
    names = {n: allocate(n) for n in kernel.parameters}
    out = {o.name: allocate(o.name) for o in kernel.outputs}
    row = allocate("row")
    indices = {n: allocate(n) for n in _index_names(kernel)}
    local = {n: allocate(f"{n}_i") for n in kernel.inputs}
    for assign in (*kernel.prologue, *kernel.body):
        names[assign.name] = allocate(assign.name)
    names |= local | {n: indices[n] for n in indices if n not in names}
    if kernel.index_target:
        indices[kernel.index_target] = local[kernel.index_target]
    weight = allocate("w")
    printer = Printer(target, precision, names, lambda v, i: f"{local[v]}[{indices[i]}]", lambda i: indices[i])
    uses = _uses(kernel)
    signature = ["size_t n"] + ["size_t K"] * kernel.is_vector
    signature += [f"const {'int64_t' if n == kernel.index_target else t} *restrict {array[n]}" for n in kernel.inputs]
    signature += [f"const {t} *restrict weight"] * kernel.weighted
    signature += [f"{t} {names[p]}" for p in kernel.parameters]
    signature += [f"{t} *restrict {out[o.name]}" for o in kernel.outputs]
    loads = []
    for n in kernel.inputs:
        if n in uses:
            if n == kernel.index_target:
                loads.append(f"const size_t {local[n]} = (size_t){array[n]}[{row}];")
            elif n in kernel.vectors:
                loads.append(f"const {t} *{local[n]} = {array[n]} + {row} * K;")
            else:
                loads.append(f"const {t} {local[n]} = {array[n]}[{row}];")

    def stores(factor: str) -> list[dict[str, Any]]:
        found = []
        for axes, o in zip(kernel.axes or ((),) * len(kernel.outputs), kernel.outputs, strict=True):
            place = row
            for axis in axes:
                place = f"({place}) * K + {indices[axis]}" if " " in place else f"{place} * K + {indices[axis]}"
            value = printer._at(o.value, 7) if factor else printer(o.value)
            found.append({"axes": [indices[a] for a in axes], "store": f"{out[o.name]}[{place}] = {factor}{value};"})
        return found

    variants = [{"loads": loads, "outputs": stores("")}]
    if (
        kernel.weighted
    ):  # a loop of its own: a condition in it costs more than the weights, and may hide it from vectors
        with_weight = [*loads, f"const {t} {weight} = weight[{row}];"]
        variants.insert(0, {"loads": with_weight, "outputs": stores(f"{weight} * ")})
    return {
        "symbol": f"lossforge_{loss}_{kernel.name}_{precision.name}",
        "signature": ", ".join(signature),
        "unused": [array[n] for n in kernel.inputs if n not in uses]
        + [names[p] for p in kernel.parameters if p not in uses],
        "prologue": [
            f"const {t if a.value.type == 'real' else 'int'} {names[a.name]} = {printer(a.value)};"
            for a in kernel.prologue
        ],
        "row": row,
        "variants": variants,
        "body": [_c_step(a, printer, names[a.name], indices, t) for a in kernel.body],
    }


def _index_names(kernel: Kernel) -> list[str]:
    """Every index over classes, in order of appearance."""
    found: dict[str, None] = {}
    for axes in kernel.axes:
        found |= dict.fromkeys(axes)
    for assign in (*kernel.body, *kernel.outputs):
        for node in walk(assign.value):
            if isinstance(node, Reduce):
                found[node.index] = None
            if isinstance(node, Elem | Index):
                found[node.index if isinstance(node, Elem) else node.name] = None
    return [n for n in found if n != kernel.index_target]


def _c_step(assign: Assign, printer: Printer, name: str, indices: dict[str, str], t: str) -> dict[str, Any]:
    value = assign.value
    if not isinstance(value, Reduce):
        kind = t if value.type == "real" else "int"
        return {"reduce": False, "line": f"const {kind} {name} = {printer(value)};"}
    index, body = indices[value.index], printer(value.body)
    zero = f"0.0{printer.precision.literal_suffix}"
    step: dict[str, Any] = {"reduce": True, "index": index, "start": "0"}
    if value.op == "sum":
        return step | {"declare": f"{t} {name} = {zero};", "advance": f"{name} += {body};"}
    if value.op == "max":
        # A NaN stays: no comparison with it holds, so it is taken when it comes and kept after.
        update = f"{name} = {body} <= {name} || {name} != {name} ? {name} : {body};"
        return step | {
            "declare": f"{t} {name} = -HUGE_VAL{printer.precision.function_suffix.upper()};",
            "advance": update,
        }
    assert isinstance(value.body, Elem)
    best = printer.element(value.body.vector, value.body.index).replace(f"[{index}]", f"[{name}]")
    return step | {
        "start": "1",
        "declare": f"size_t {name} = 0;",
        "advance": f"{name} = {body} > {best} ? {index} : {name};",
    }


# -- NumPy ------------------------------------------------------------------------------------------------


def _numpy_file(kernels: list[Kernel], target: Target) -> dict[str, Any]:
    functions = [(_numpy_rows if k.is_vector else _numpy_function)(k, target) for k in kernels]
    return {
        "functions": functions,
        "imports_numpy": any("np." in text for f in functions for text in (*f["lines"], *f["results"])),
    }


def _numpy_names(kernel: Kernel, target: Target) -> dict[str, str]:
    allocate = Allocator(target.reserved).allocate
    assigns = (*kernel.prologue, *kernel.body)
    return {n: allocate(n) for n in (*kernel.inputs, *kernel.parameters, *(a.name for a in assigns))}


def _numpy_function(kernel: Kernel, target: Target) -> dict[str, Any]:
    names = _numpy_names(kernel, target)
    printer = Printer(target, target.precisions[0], names)
    lines = [f"{names[a.name]} = {printer(a.value)}" for a in (*kernel.prologue, *kernel.body)]
    return _numpy_parts(kernel, names, lines, [printer(o.value) for o in kernel.outputs])


def _numpy_parts(kernel: Kernel, names: dict[str, str], lines: list[str], results: list[str]) -> dict[str, Any]:
    if any("dtype(" in text for text in (*lines, *results)):
        prediction = names[kernel.vectors[0] if kernel.vectors else kernel.inputs[0]]
        lines.insert(0, f"dtype = {prediction}.dtype.type")
    return {
        "name": kernel.name,
        "arguments": ", ".join(names[n] for n in (*kernel.inputs, *kernel.parameters)),
        "lines": lines,
        "results": results,
    }


def _numpy_rows(kernel: Kernel, target: Target) -> dict[str, Any]:
    """Rows as (n, K); what is one number a row has shape (n, 1), so that everything broadcasts."""
    names = _numpy_names(kernel, target)
    flat = _numpy_printer(kernel, target, names, ())
    vector = names[kernel.vectors[-1]]
    lines = [f"{names[a.name]} = {_numpy_reduction(a.value, flat)}" for a in kernel.body]
    results = []
    for axes, o in zip(kernel.axes, kernel.outputs, strict=True):
        text = _numpy_printer(kernel, target, names, axes)(o.value)
        if not axes:
            text = f"({text})[:, 0]"
        elif any(isinstance(n, Var) for n in walk(o.value)) or len(axes) == 2:
            shape = f"{vector}.shape" if len(axes) == 1 else f"(*{vector}.shape, {vector}.shape[1])"
            text = f"np.broadcast_to({text}, {shape}).copy()" if not _spans(o.value, axes) else text
        results.append(text)
    if any("classes" in text for text in (*lines, *results)):
        lines.insert(0, f"classes = np.arange({vector}.shape[1])")
    return _numpy_parts(kernel, names, lines, results)


def _spans(node: Node, axes: tuple[str, ...]) -> bool:
    """Whether a value runs over all the axes of its output by itself."""
    used = {n.index if isinstance(n, Elem) else n.name for n in walk(node) if isinstance(n, Elem | Index)}
    rows = any(isinstance(n, Elem | Var) for n in walk(node))
    return set(axes) <= used and rows


def _numpy_printer(kernel: Kernel, target: Target, names: dict[str, str], axes: tuple[str, ...]) -> Printer:
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


def _numpy_reduction(value: Node, printer: Printer) -> str:
    if isinstance(value, Reduce):
        return f"np.{value.op}({printer(value.body)}, axis=1, keepdims=True)"
    return printer(value)
