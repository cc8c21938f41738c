"""How do the kernels of a loss become a file in C?

A kernel is a static function over a block of rows of fixed length, so that its loop becomes vector code and nothing
else; `lossforge_..._at` runs it over any number of rows, and a function with a readable signature stands before that.
Of losses over K classes the block is turned: class by class, the rows of the block side by side.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from ..spec.names import Allocator
from . import elementary
from .doubleword import meanings
from .elementary import closure
from .ir import Assign, Call, Elem, Index, Kernel, Reduce, Spread, Var, used_names, walk
from .pairs import PairPrinter
from .stages import Stage, apart, stages
from .target import Precision, Printer, Target
from .targets.c import FAST_CALLS
from .tiers import TIERS, Form, Tier, forms

ROWS = 64  # of a block
# Of a turned block: a cache line for each class, and class numbers as wide as its numbers.
_OF_CLASSES = {
    "f64": {"t": "double", "label": "int64_t", "rows": 8},
    "f32": {"t": "float", "label": "int32_t", "rows": 16},
}

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
    "squared": """
HELPER {t} squared{s}({t} a)
{{
    return a * a;
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

# Powers run over a block from the logarithm of the base.
_LOGARITHMS = {"pair_pow": "pair_power_log", "pow_v": "power_log", "pow_fast": "power_log"}
# A power whose exponent is the same for all rows is a product where that is 2, as it is by default in focal losses.
_SQUARES = {"pair_pow": "pair_mul", "pow_v": "squared", "pow_fast": "squared"}
_ZEROS = "zeros"  # what is plain has no lower half
_Arrays = tuple[str, ...]  # of what is plain one, of a pair two


@dataclass(frozen=True, slots=True)
class _BlockCall:
    """A function that runs over a block of rows: the arrays that it is given, and those that it fills."""

    function: str
    real: str
    given: tuple[_Arrays, ...]
    made: _Arrays
    condition: str = ""  # on what is the same for all rows

    @property
    def text(self) -> str:
        call = f"{self.function}_rows({', '.join(a for arrays in (*self.given, self.made) for a in arrays)});"
        return f"if ({self.condition}) {call}" if self.condition else call

    @property
    def signature(self) -> str:
        given = [f"const {self.real} *{a}" for arrays in self._operands for a in arrays]
        return ", ".join([*given, *(f"{self.real} *{a}" for a in ("hi", "lo")[: len(self.made)])])

    @property
    def value(self) -> str:
        """The function, of one row."""
        operands = [f"(pair){{{a[0]}[row], {a[1]}[row]}}" if a[1:] else f"{a[0]}[row]" for a in self._operands]
        return f"{self.function}({', '.join(operands)})"

    @property
    def _operands(self) -> list[_Arrays]:
        return [(x, f"{x}_lo")[: len(arrays)] for x, arrays in zip("abc", self.given, strict=False)]


def _of_pairs(calls: Sequence[Assign], pairs: Set[str]) -> frozenset[str]:
    """What functions of pairs are given and make."""
    wide = [a for a in calls if a.name in pairs]
    return used_names(wide).union(a.name for a in wide)


def _not(condition: str) -> str:
    """The opposite of comparisons that all hold."""
    return condition.replace("==", "!=").replace("&&", "||")


def _as_pair(arrays: _Arrays) -> _Arrays:
    return (*arrays, _ZEROS)[:2]


def c_file(kernels: list[Kernel], target: Target, loss: str) -> dict[str, Any]:
    """What the template needs to know."""
    vector, computed = any(k.is_vector for k in kernels), forms(kernels)
    precisions: list[dict[str, Any]] = []
    for p in target.precisions:
        by_tier = {tier: computed[p.name, tier] for tier in TIERS}
        functions = [
            _over_classes(k, p, target, loss, by_tier) if vector else _over_rows(apart(k), p, target, loss, by_tier)
            for k in kernels
        ]
        precisions.append(
            {
                "name": p.name,
                "t": p.c_type,
                "rows": ROWS,
                "summed": any("add_" + p.name in _words(f) for f in functions),
                "by_tier": {tier: _OF_CLASSES[form.precision.name] for tier, form in by_tier.items()},
                "functions": functions,
            }
        )
    lines = [f[tier] for p in precisions for f in p["functions"] for tier in TIERS if not vector]
    calls = {call.function: call for form in lines for step in form["loops"] for call in step["calls"]}
    return {
        "helpers": _helpers(_words(precisions), target),
        "vector": vector,
        "over_blocks": list(calls.values()),
        "rows": ROWS,
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
            parts = [written.lines, written.first, written.last]
        case _BlockCall():
            parts = [written.function.removesuffix("_by")]
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
    made["stages"] = stages(kernel)

    @functools.cache
    def arrays(stem: str, pair: bool) -> _Arrays:
        return tuple(made["allocate"](f"{stem}_{part}") for part in (("hi", "lo") if pair else ("rows",)))

    made["arrays"] = arrays
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
    plan = form.plan
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

    pairs = {a.name for a in kernel.body if printer.is_pair(a.value)}
    in_arrays = frozenset[str]().union(*(s.in_arrays for s in made["stages"]))
    # Of a pair that only plain functions are given, its rounded value.
    whole = pairs & {n for s in made["stages"] for n in (*s.reads, *_of_pairs(s.calls, pairs))}
    kept = {n: made["arrays"](names[n], n in whole) for n in (a.name for a in kernel.body) if n in in_arrays}
    values = {a.name: a.value for a in kernel.body}
    # Of a pair that is not in order, plain functions are given the rounded value too.
    loose = {n for n in whole if not printer.is_in_order(values[n])}
    rounded: dict[str, _Arrays] = {}

    def stored(a: Assign, read: Set[str]) -> list[str]:
        """The lines that compute a value, and keep it where it is needed beyond its loop."""
        to = kept.get(a.name, ())
        if len(to) == 1 and a.name not in read:
            return [f"{to[0]}[row] = {printer(a.value)};"]
        parts = (".hi", ".lo") if a.name in pairs else ("",)
        return [line(a), *(f"{x}[row] = {names[a.name]}{part};" for x, part in zip(to, parts, strict=False))]

    def loaded(n: str) -> str:
        here = ", ".join(f"{a}[row]" for a in kept[n])
        return f"const pair {names[n]} = {{{here}}};" if n in pairs else f"const {t} {names[n]} = {here};"

    calls = [a.value for a in kernel.body if isinstance(a.value, Call) and a.value.function == "pow"]
    powers = [(b.name, e.name) for b, e in (c.arguments for c in calls) if isinstance(b, Var) and isinstance(e, Var)]

    def is_square(exponent: str) -> str:
        """The condition that an exponent, the same for all rows, is 2; empty where it depends on the row."""
        match values.get(exponent):
            case Var(name) if name in (*kernel.parameters, *kinds):
                pair = kinds.get(name) == "pair"
                return f"{names[name]}.hi == 2.0 && {names[name]}.lo == 0.0" if pair else f"{names[name]} == 2.0"
        return ""

    def over_block(a: Assign) -> Iterator[_BlockCall]:
        """The call of a function for all rows; of a power the logarithm first, which all powers of a base share."""
        assert isinstance(a.value, Call)
        pair = a.name in pairs
        function = (printer.pair if pair else printer)(a.value).partition("(")[0]
        operands = [v.name for v in a.value.arguments if isinstance(v, Var)]
        to: list[_Arrays] = [_as_pair(kept[n]) if pair else rounded.get(n, kept[n][:1]) for n in operands]
        if log := _LOGARITHMS.get(function):
            base, square = operands[0], is_square(operands[1])
            stem = f"{names[base]}_{log}"
            if stem not in kept:
                kept[stem] = made["arrays"](stem, True)
                squares = [is_square(e) for b, e in powers if b == base]
                unless = "" if "" in squares else " || ".join(map(_not, dict.fromkeys(squares)))
                yield _BlockCall(log, t, (_as_pair(to[0]),), kept[stem], unless)
            if square:
                yield _BlockCall(_SQUARES[function], t, (to[0],) * (2 if pair else 1), kept[a.name], square)
            function, to = f"{function}_by", [*to, kept[stem]]
            yield _BlockCall(function, t, tuple(to), kept[a.name], _not(square))
        else:
            yield _BlockCall(function, t, tuple(to), kept[a.name])

    def loop(stage: Stage, outputs: Sequence[Assign]) -> dict[str, Any]:
        read = used_names((*stage.body, *outputs))
        lines = [f"const {t} {made['local'][n]} = {array[n]}[row];" for n in kernel.inputs if n in read]
        lines += map(loaded, stage.reads)
        lines += [text for a in stage.body for text in stored(a, read)]
        here = {a.name for a in stage.body}
        for n in sorted(loose & used_names([a for a in stage.calls if a.name not in pairs])):
            if n not in rounded:
                rounded[n] = made["arrays"](names[n], False)
                value = names[n] if n in here else f"(pair){{{kept[n][0]}[row], {kept[n][1]}[row]}}"
                lines.append(f"{rounded[n][0]}[row] = pair_rounded({value});")
        for o in outputs:
            value = printer._at(o.value, 8) if narrow else printer(o.value)
            lines.append(f"{out[o.name]}[row] = {narrow}{value};")
        return {"lines": lines, "calls": [call for a in stage.calls for call in over_block(a)]}

    *before, last = made["stages"]
    loops = [*(loop(s, ()) for s in before), loop(last, kernel.outputs)]
    declared = [
        f"{t} {', '.join(f'{a}[ROWS_{precision.name}]' for a in arrays)};"
        for arrays in (*kept.values(), *rounded.values())
    ]
    if any(_ZEROS in arrays for step in loops for call in step["calls"] for arrays in call.given):
        declared.append(f"static const {t} {_ZEROS}[ROWS_{precision.name}] = {{0.0}};")
    return {
        "prologue": [*given, *map(line, kernel.prologue)],
        "constants": constants,
        "taken": taken,
        "arrays": declared,
        "loops": loops,
    }


def _over_classes(
    kernel: Kernel, precision: Precision, target: Target, loss: str, by_tier: Mapping[Tier, Form]
) -> dict[str, Any]:
    made, used = _interface(kernel, precision, target, loss), used_names((*kernel.body, *kernel.outputs))
    label, p = kernel.index_target, precision.name
    array, out = made["array"], made["out"]
    vectors = [n for n in kernel.inputs if n != label]
    spread = [a.name for a in kernel.body if isinstance(a.value, Spread)]
    taken = [
        f"const work_{p} {made['names'][n]} = parameters[{i}];" for i, n in enumerate(kernel.parameters) if n in used
    ]
    taken += [f"const work_{p} *const {array[n]} = inputs[{i}];" for i, n in enumerate(vectors) if n in used]
    for i, (o, axes) in enumerate(zip(kernel.outputs, kernel.axes, strict=True)):
        taken.append(f"{precision.c_type if len(axes) == 2 else f'work_{p}'} *const {out[o.name]} = outputs[{i}];")
    taken += [f"work_{p} *const {made['names'][n]} = scratch + {i} * K * ROWS_{p};" for i, n in enumerate(spread)]
    made["indices"] = {n: made["allocate"](n) for n in _indices(kernel) if n != label}
    return (
        made
        | {
            "taken": taken,
            "label": array[label] if label else None,
            "vectors": [array[n] for n in vectors],
            "scratch": len(spread),
            "layout": [len(a) for a in kernel.axes],
        }
        | {tier: {"steps": _steps(kernel, precision, target, form, made)} for tier, form in by_tier.items()}
    )


def _steps(kernel: Kernel, precision: Precision, target: Target, form: Form, made: Mapping[str, Any]) -> list[_Loop]:
    """The loops of a kernel in one form. Numbers are of the type work_f64 or work_f32, as wide as the form asks for."""
    array, names, out, indices = made["array"], made["names"], made["out"], made["indices"]
    label, block, integer = kernel.index_target, f"ROWS_{precision.name}", f"label_{precision.name}"
    spread = [a.name for a in kernel.body if isinstance(a.value, Spread)]
    rows = {a.name for a in kernel.body} - {*spread}
    # A label is the index of its row.
    places = indices | ({label: f"(size_t){array[label]}[row]"} if label else {})
    scalars = {n: f"{names[n]}[row]" for n in rows} | ({label: f"{array[label]}[row]"} if label else {})
    arrays = array | {n: names[n] for n in spread}
    printer = Printer(
        target.with_calls(FAST_CALLS) if form.fast else target,
        form.precision,
        names | scalars,
        lambda v, i: f"{arrays[v]}[{places[i]} * {block} + row]",
        lambda i: f"({integer}){indices[i]}",
    )
    steps = [_step(a, printer, names, indices, precision, form) for a in kernel.body]
    for axes, o in zip(kernel.axes, kernel.outputs, strict=True):
        loops = [indices[a] for a in axes]
        at = ["row", f"{''.join(loops)} * {block} + row", f"(row * K + {loops[0]}) * K + {loops[-1]}" if loops else ""]
        narrow = f"({precision.c_type})" if len(loops) == 2 and form.precision is not precision else ""
        value = printer._at(o.value, 8) if narrow else printer(o.value)
        steps.append(_Loop(tuple(loops), [f"{out[o.name]}[{at[len(loops)]}] = {narrow}{value};"], used_names([o])))
    return _together(steps)


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
    """A loop over the rows of a block, and over classes around it; `first` and `last` are done once a row."""

    classes: tuple[str, ...]
    lines: list[str]
    reads: frozenset[str]
    declared: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
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
            last.last += loop.last
            last.reduced |= loop.reduced
        else:
            joined.append(loop)
    return joined


def _step(
    assign: Assign,
    printer: Printer,
    names: Mapping[str, str],
    indices: Mapping[str, str],
    precision: Precision,
    form: Form,
) -> _Loop:
    """One temporary: a value for each class, for each row, or gathered from all classes of a row."""
    value, name, p, t = assign.value, names[assign.name], precision.name, f"work_{precision.name}"
    reads, here = used_names([assign]), f"{name}[row]"
    if isinstance(value, Spread):
        index = indices[value.index]
        return _Loop((index,), [f"{name}[{index} * ROWS_{p} + row] = {printer(value.body)};"], reads)
    declared = [f"{t} {name}[ROWS_{p}];"]
    if not isinstance(value, Reduce):
        return _Loop((), [f"{here} = {printer(value)};"], reads, declared)
    index, body = indices[value.index], printer(value.body)
    zero, last = f"0.0{form.precision.literal_suffix}", list[str]()
    if value.op == "sum" and value.body.type == "bool":
        lines, first = [f"{here} += {body};"], [f"{here} = {zero};"]
    elif value.op == "sum":
        # With what each addition loses (Knuth), as otherwise a sum of K terms loses up to K/2 ulps.
        rest = f"{name}_rest"
        declared.append(f"{t} {rest}[ROWS_{p}];")
        first = [f"{here} = {zero};", f"{rest}[row] = {zero};"]
        lines = [f"add_{p}({body}, &{here}, &{rest}[row]);"]
        last = [f"{here} = joined_{p}({here}, {rest}[row]);"]
    elif value.op == "max":
        # A NaN stays: no comparison with it holds, so it is taken when it comes and kept after.
        lines = [f"{here} = {body} <= {here} || {here} != {here} ? {here} : {body};"]
        first = [f"{here} = -HUGE_VAL{form.precision.function_suffix.upper()};"]
    else:  # the first of the largest: what is larger than all before
        most, whole = f"{name}_most", f"label_{p}"
        declared = [f"{whole} {name}[ROWS_{p}];", f"{t} {most}[ROWS_{p}];"]
        first = [f"{here} = 0;", f"{most}[row] = {body.replace(f'[{index} *', '[0 *')};"]
        lines = [
            f"{here} = {body} > {most}[row] ? ({whole}){index} : {here};",
            f"{most}[row] = {body} > {most}[row] ? {body} : {most}[row];",
        ]
    return _Loop((index,), lines, reads, declared, first, last, {assign.name})


def _type(assign: Assign, real: str) -> str:
    return real if assign.value.type == "real" else "int"
