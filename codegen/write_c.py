"""How do the kernels of a loss become a file in C?

A kernel is a static function over a block of rows of fixed length, so that its loop becomes vector code and nothing
else; `lossforge_..._at` runs it over any number of rows, and a function with a readable signature stands before that.
Of losses over K classes the block is turned: class by class, the rows of the block side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec.names import Allocator
from . import elementary
from .doubleword import meanings
from .elementary import closure
from .ir import Assign, Elem, Index, Kernel, Reduce, Spread, used_names, walk
from .pairs import PairPrinter
from .target import FLOAT64, Precision, Printer, Target
from .targets.c import FAST_CALLS
from .tiers import TIERS, Form, Tier, forms

ROWS = 64  # of a block
ROWS_OF_CLASSES = {"f64": 8, "f32": 16}  # a cache line for each class

# NaN in the second argument is passed on; fmax would swallow it.
_HELPERS = {
    "maximum": """
HELPER {t} maximum{s}({t} a, {t} b)
{{
    return a > b ? a : b;
}}""",
    "minimum": """
HELPER {t} minimum{s}({t} a, {t} b)
{{
    return a < b ? a : b;
}}""",
    "sign": """
HELPER {t} sign{s}({t} x)
{{
    return x > 0.0{l} ? 1.0{l} : (x < 0.0{l} ? -1.0{l} : x);
}}""",
    "hypot_v": """
/* No branch and no call, so that it becomes vector code. */
HELPER {t} hypot_v{s}({t} a, {t} b)
{{
    const {t} x = fabs{s}(a), y = fabs{s}(b);
    const {t} most = x > y ? x : y;
    const {t} share = (x > y ? y : x) / (most > 0.0{l} ? most : 1.0{l});
    const {t} q = most < HUGE_VAL{S} ? share : 0.0{l};
    return most != most ? most : most * sqrt{s}(1.0{l} + q * q);
}}""",
    "sinh_v": """
/* From exp(h) - 1, h = |x|/2, so that it overflows no sooner than the result. */
HELPER {t} sinh_v{s}({t} x)
{{
    const {t} half = 0.5{l} * fabs{s}(x);
    const {t} e = expm1_v{s}(half > {most} ? {most} : half);
    const {t} w = 1.0{l} + e;
    return copysign{s}(0.5{l} * (e + e / w) * (w + 1.0{l} / w), x);
}}""",
}
_LARGE = {"f64": "700.0", "f32": "80.0f"}  # half of it has an exponential, all of it an infinite one


def c_file(kernels: list[Kernel], target: Target, loss: str) -> dict[str, Any]:
    """What the template needs to know."""
    vector, computed = any(k.is_vector for k in kernels), forms(kernels)
    precisions = []
    for p in target.precisions:
        by_tier = {tier: computed[p.name, tier] for tier in TIERS}
        functions = [
            _over_classes(k, p, target, loss) if vector else _over_rows(k, p, target, loss, by_tier) for k in kernels
        ]
        precisions.append(
            {
                "name": p.name,
                "t": p.c_type,
                "label": "int64_t" if p is FLOAT64 else "int32_t",
                "l": p.literal_suffix,
                "rows": ROWS_OF_CLASSES[p.name] if vector else ROWS,
                "functions": functions,
            }
        )
    return {
        "helpers": _helpers(_words(precisions), target),
        "vector": vector,
        "most_inputs": max(len(k.inputs) for k in kernels),
        "most_outputs": max(len(k.outputs) for k in kernels),
        "precisions": precisions,
    }


def _words(written: Any) -> set[str]:
    """Every name in what was written."""
    match written:
        case str():
            return {*re.findall(r"\w+", written)}
        case Mapping():
            parts = [*written.values()]
        case list() | tuple():
            parts = [*written]
        case _Loop():
            parts = [written.lines, written.first]
        case _:
            parts = []
    return set[str]().union(*map(_words, parts))


def _helpers(words: set[str], target: Target) -> list[str]:
    """The functions that the kernels stand on."""
    result = []
    for p in target.precisions:
        s, kind = p.function_suffix, {"t": p.c_type, "l": p.literal_suffix, "most": _LARGE[p.name]}
        own = [t.strip().format(s=s, S=s.upper(), **kind) for n, t in _HELPERS.items() if f"{n}{s}" in words]
        called = closure(elementary.called(words | _words(own), p))
        result += [elementary.source(called, p)] if called else []
        result += own
    return result


def _interface(kernel: Kernel, precision: Precision, target: Target, loss: str) -> dict[str, Any]:
    """The names in a kernel, and the two functions that stand before it."""
    t = precision.c_type
    allocate = Allocator(target.reserved).allocate
    array = {n: allocate(n) for n in kernel.inputs}
    names = {n: allocate(n) for n in kernel.parameters}
    out = {o.name: allocate(o.name) for o in kernel.outputs}
    for assign in (*kernel.prologue, *kernel.body):
        names[assign.name] = allocate(assign.name)
    signature = ["size_t n"] + ["size_t K"] * kernel.is_vector
    signature += [f"const {'int64_t' if n == kernel.index_target else t} *{array[n]}" for n in kernel.inputs]
    signature += [f"const {t} *weight"] * kernel.weighted
    signature += [f"{t} {names[p]}" for p in kernel.parameters]
    signature += [f"{t} *{out[o.name]}" for o in kernel.outputs]
    return {
        "array": array,
        "names": names,
        "out": out,
        "allocate": allocate,
        "kernel": kernel.name,
        "symbol": f"lossforge_{loss}_{kernel.name}_{precision.name}",
        "signature": ", ".join(signature),
        "inputs": [array[n] for n in kernel.inputs],
        "weighted": kernel.weighted,
        "parameters": [names[p] for p in kernel.parameters],
        "outputs": [out[o.name] for o in kernel.outputs],
    }


def _over_rows(
    kernel: Kernel, precision: Precision, target: Target, loss: str, by_tier: Mapping[Tier, Form]
) -> dict[str, Any]:
    used = used_names((*kernel.body, *kernel.outputs))
    made = _interface(kernel, precision, target, loss)
    made["local"] = {n: made["allocate"](f"{n}_i") for n in kernel.inputs}
    array, out, t = made["array"], made["out"], precision.c_type
    at = {n: i for i, n in enumerate(kernel.inputs)}
    made["pointers"] = [f"const {t} *const {array[n]} = inputs[{i}];" for n, i in at.items() if n in used]
    made["pointers"] += [f"{t} *const {out[o.name]} = outputs[{i}];" for i, o in enumerate(kernel.outputs)]
    return made | {tier: _computed(kernel, precision, target, form, made) for tier, form in by_tier.items()}


def _computed(
    kernel: Kernel, precision: Precision, target: Target, form: Form, made: Mapping[str, Any]
) -> dict[str, Any]:
    """The lines of a kernel in one form; constants are handed over as doubles, a pair as two of them."""
    t, names, array, out = form.precision.c_type, made["names"], made["array"], made["out"]
    plan = form.plan if form.plan and form.plan.pairs else None
    language = target.with_calls(FAST_CALLS) if form.fast else target
    printer = PairPrinter(
        language, form.precision, names | made["local"], plan=plan, meanings=meanings(kernel) if plan else None
    )
    narrow = f"({precision.c_type})" if form.precision is not precision else ""
    used = used_names((*kernel.body, *kernel.outputs))
    needed = used_names(kernel.prologue) | used

    def line(a: Assign) -> str:
        if printer.is_pair(a.value):
            return f"const pair {names[a.name]} = {printer.pair(a.value)};"
        return f"const {_type(a, t)} {names[a.name]} = {printer(a.value)};"

    given = [f"const {t} {names[p]} = parameters[{i}];" for i, p in enumerate(kernel.parameters) if p in needed]
    constants: list[str] = []
    taken: list[str] = []
    kinds = {a.name: "pair" if printer.is_pair(a.value) else _type(a, t) for a in kernel.prologue}
    for n in (*kernel.parameters, *kinds):
        if n in used:
            kind, name, here = kinds.get(n, t), names[n], f"constants[{len(constants)}]"
            constants += {"pair": [f"{name}.hi", f"{name}.lo"], "int": [f"{name} ? 1.0 : 0.0"]}.get(kind, [name])
            value = {"pair": f"{{{here}, constants[{len(constants) - 1}]}}", "int": f"{here} != 0.0"}.get(
                kind, here if kind == "double" else f"({kind}){here}"
            )
            taken.append(f"const {kind} {name} = {value};")
    return {
        "prologue": [*given, *map(line, kernel.prologue)],
        "constants": constants,
        "taken": taken,
        "lines": [
            *(f"const {t} {made['local'][n]} = {array[n]}[row];" for n in kernel.inputs if n in used),
            *map(line, kernel.body),
            *(
                f"{out[o.name]}[row] = {narrow}{printer._at(o.value, 8) if narrow else printer(o.value)};"
                for o in kernel.outputs
            ),
        ],
    }


def _over_classes(kernel: Kernel, precision: Precision, target: Target, loss: str) -> dict[str, Any]:
    t, used = precision.c_type, used_names((*kernel.body, *kernel.outputs))
    made = _interface(kernel, precision, target, loss)
    array, names, out, allocate = made["array"], made["names"], made["out"], made["allocate"]
    label = kernel.index_target
    indices = {n: allocate(n) for n in _indices(kernel) if n != label}
    spread = [a.name for a in kernel.body if isinstance(a.value, Spread)]
    rows = {a.name for a in kernel.body} - {*spread}
    # A label is the index of its row.
    places = indices | ({label: f"(size_t){array[label]}[row]"} if label else {})
    scalars = {n: f"{names[n]}[row]" for n in rows} | ({label: f"{array[label]}[row]"} if label else {})
    arrays = array | {n: names[n] for n in spread}
    integer, block = f"label_{precision.name}", f"ROWS_{precision.name}"
    printer = Printer(
        target,
        precision,
        names | scalars,
        lambda v, i: f"{arrays[v]}[{places[i]} * {block} + row]",
        lambda i: f"({integer}){indices[i]}",
    )
    vectors = [n for n in kernel.inputs if n != label]
    taken = [f"const {t} {names[p]} = parameters[{i}];" for i, p in enumerate(kernel.parameters) if p in used]
    taken += [f"const {t} *const {array[n]} = inputs[{i}];" for i, n in enumerate(vectors) if n in used]
    taken += [f"{t} *const {out[o.name]} = outputs[{i}];" for i, o in enumerate(kernel.outputs)]
    taken += [f"{t} *const {names[n]} = scratch + {i} * K * {block};" for i, n in enumerate(spread)]
    steps = [_step(a, printer, names, indices, precision) for a in kernel.body]
    for axes, o in zip(kernel.axes, kernel.outputs, strict=True):
        loops = [indices[a] for a in axes]
        at = ["row", f"{''.join(loops)} * {block} + row", f"(row * K + {loops[0]}) * K + {loops[-1]}" if loops else ""]
        line = f"{out[o.name]}[{at[len(loops)]}] = {printer(o.value)};"
        steps.append(_Loop(tuple(loops), [line], used_names([o])))
    return made | {
        "taken": taken,
        "steps": _together(steps),
        "label": array[label] if label else None,
        "vectors": [array[n] for n in vectors],
        "scratch": len(spread),
        "layout": [len(a) for a in kernel.axes],
    }


def _indices(kernel: Kernel) -> list[str]:
    """Every index over classes, in order of appearance."""
    found: dict[str, None] = {}
    for axes in kernel.axes:
        found |= dict.fromkeys(axes)
    for assign in (*kernel.body, *kernel.outputs):
        for node in walk(assign.value):
            if isinstance(node, Reduce | Spread | Elem):
                found[node.index] = None
            elif isinstance(node, Index):
                found[node.name] = None
    return list(found)


@dataclass
class _Loop:
    """A loop over the rows of a block, and over classes around it."""

    classes: tuple[str, ...]
    lines: list[str]
    reads: frozenset[str]
    declared: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    reduced: set[str] = field(default_factory=set)  # what is known only after the loop


def _together(loops: list[_Loop]) -> list[_Loop]:
    """Neighbours over the same classes in one loop, unless one needs what another has only at its end."""
    joined: list[_Loop] = []
    for loop in loops:
        last = joined[-1] if joined else None
        if last and last.classes == loop.classes and len(loop.classes) < 2 and not last.reduced & loop.reads:
            last.lines += loop.lines
            last.declared += loop.declared
            last.first += loop.first
            last.reduced |= loop.reduced
        else:
            joined.append(loop)
    return joined


def _step(
    assign: Assign, printer: Printer, names: Mapping[str, str], indices: Mapping[str, str], precision: Precision
) -> _Loop:
    """One temporary: a value for each class, for each row, or gathered from all classes of a row."""
    value, t, name, block = assign.value, precision.c_type, names[assign.name], f"ROWS_{precision.name}"
    reads, here = used_names([assign]), f"{name}[row]"
    if isinstance(value, Spread):
        index = indices[value.index]
        return _Loop((index,), [f"{name}[{index} * {block} + row] = {printer(value.body)};"], reads)
    declared = [f"{t} {name}[{block}];"]
    if not isinstance(value, Reduce):
        return _Loop((), [f"{here} = {printer(value)};"], reads, declared)
    index, body = indices[value.index], printer(value.body)
    if value.op == "sum":
        lines, first = [f"{here} += {body};"], [f"{here} = 0.0{precision.literal_suffix};"]
    elif value.op == "max":
        # A NaN stays: no comparison with it holds, so it is taken when it comes and kept after.
        lines = [f"{here} = {body} <= {here} || {here} != {here} ? {here} : {body};"]
        first = [f"{here} = -HUGE_VAL{precision.function_suffix.upper()};"]
    else:  # the first of the largest: what is larger than all before
        most, whole = f"{name}_most", f"label_{precision.name}"
        declared = [f"{whole} {name}[{block}];", f"{t} {most}[{block}];"]
        first = [f"{here} = 0;", f"{most}[row] = {body.replace(f'[{index} *', '[0 *')};"]
        lines = [
            f"{here} = {body} > {most}[row] ? ({whole}){index} : {here};",
            f"{most}[row] = {body} > {most}[row] ? {body} : {most}[row];",
        ]
    return _Loop((index,), lines, reads, declared, first, {assign.name})


def _type(assign: Assign, real: str) -> str:
    return real if assign.value.type == "real" else "int"
