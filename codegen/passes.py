"""What is done to a kernel between lowering and printing?

Each pass is a short function from kernel to kernel; `optimise` is the list of
them, in order.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

from .ir import (
    Assign,
    Bin,
    BoolOp,
    Call,
    Cmp,
    Const,
    Elem,
    Index,
    Kernel,
    Neg,
    Node,
    Reduce,
    Select,
    Spread,
    Var,
    classes,
    rewrite,
    variables,
    walk,
)  # fmt: skip

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))

# GCC calls pow even for x**3 and x**1.5 at -O3; up to here a product is as accurate and faster.
LARGEST_EXPANDED_POWER = 8

# So many terms with the same factor are a series, whose factor is a number of ordinary size.
SERIES = 3


def optimise(kernel: Kernel, *, eager_select: bool) -> Kernel:
    """All passes. `eager_select`: the target evaluates both branches of a Select."""
    kernel = _for_every_target(kernel)
    if eager_select:
        kernel = guard_branches(kernel)
        kernel = canonical_order(kernel)
    if kernel.is_vector:
        return share_over_classes(kernel)
    kernel = share_subexpressions(kernel)
    return hoist_parameters(kernel)


@functools.lru_cache(maxsize=32)  # the kernels of a loss, which is written for one target after the other
def _for_every_target(kernel: Kernel) -> Kernel:
    kernel = expand_small_powers(kernel)
    kernel = canonical_order(kernel)
    kernel = scale_shares(kernel)
    kernel = parameters_first(kernel)
    kernel = halve_exponents(kernel)
    kernel = scale_before_squaring(kernel)
    kernel = scale_once(kernel)
    return propagate_nan(kernel)


def _everywhere(kernel: Kernel, change: Callable[[Node], Node]) -> Kernel:
    memo: dict[Node, Node] = {}

    def assigned(assigns: tuple[Assign, ...]) -> tuple[Assign, ...]:
        return tuple(Assign(a.name, rewrite(a.value, change, memo)) for a in assigns)

    pivots = tuple(
        dataclasses.replace(p, condition=rewrite(p.condition, change, memo), point=rewrite(p.point, change, memo))
        for p in kernel.pivots
    )
    return dataclasses.replace(kernel, outputs=assigned(kernel.outputs), body=assigned(kernel.body), pivots=pivots)


def expand_small_powers(kernel: Kernel) -> Kernel:
    """x**n as products for small integers n, x**(n + 1/2) as products with a square root."""

    def expand(node: Node) -> Node:
        match node:
            case Call("pow", (base, Const(exponent))) if 0 < exponent <= LARGEST_EXPANDED_POWER:
                if exponent.denominator == 1:
                    return _product(base, int(exponent))
                if exponent.denominator == 2:
                    whole = int(exponent)
                    root = Call("sqrt", (base,))
                    return Bin("*", _product(base, whole), root) if whole else root
        return node

    return _everywhere(kernel, expand)


def _product(base: Node, n: int) -> Node:
    """base**n by squaring."""
    if n == 1:
        return base
    half = _product(base, n // 2)
    square = Bin("*", half, half)
    return Bin("*", square, base) if n % 2 else square


def canonical_order(kernel: Kernel) -> Kernel:
    """Equal values get equal trees: constants folded, signs pulled out, operands of + and * in one order."""
    return _everywhere(kernel, _canonical)


def _canonical(node: Node) -> Node:
    match node:
        case Neg(Neg(x)):
            return x
        case Neg(Const(value)):
            return Const(-value)
        case Neg(Bin("-", a, b)):
            return Bin("-", b, a)
        case Call("abs", (Neg(x),)):
            return Call("abs", (x,))
        case Call("abs", (Bin("-", a, b),)) if _key(b) < _key(a):
            return Call("abs", (Bin("-", b, a),))
        case Bin(op, Const(a), Const(b)) if not (op == "/" and b == 0):
            return Const({"+": a + b, "-": a - b, "*": a * b}[op] if op != "/" else a / b)
        case Bin("*", a, b) if a == ONE:
            return b
        case Bin("*" | "/", a, b) if b == ONE:
            return a
        case Bin("+", a, b) if a == ZERO:
            return b
        case Bin("+" | "-", a, b) if b == ZERO:
            return a
        case Bin("-", a, b) if a == ZERO:
            return _canonical(Neg(b))
        case Bin("+", a, Neg(b)):
            return _canonical(Bin("-", a, b))
        case Bin("+", Neg(a), b):
            return _canonical(Bin("-", b, a))
        case Bin("-", a, Neg(b)):
            return _canonical(Bin("+", a, b))
        case Bin("*" | "/" as op, Neg(a), Neg(b)):
            return _canonical(Bin(op, a, b))
        case Bin("*" | "/" as op, Neg(a), b) | Bin("*" | "/" as op, a, Neg(b)):
            return _canonical(Neg(_canonical(Bin(op, a, b))))
        case Bin("*", Const(a), Bin("*", Const(b), c)):
            return _canonical(Bin("*", Const(a * b), c))
        case Bin("+" | "*" as op, a, b) if _key(b) < _key(a):
            return Bin(op, b, a)
        case Select(_, a, b) if a == b:
            return a
    return node


def _key(node: Node) -> tuple[int, str]:
    """Constants first, then variables, then by form; the same in every process."""
    rank = 0 if isinstance(node, Const) else 1 if isinstance(node, Var) else 2
    return rank, _form(node)


@functools.lru_cache(maxsize=2**12)
def _form(node: Node) -> str:
    match node:
        case Const(value):
            return str(value)
        case Var(name):
            return name
        case Elem(vector, index):
            return f"{vector}[{index}]"
        case Index(name):
            return f"#{name}"
    label = getattr(node, "op", None) or getattr(node, "function", None) or type(node).__name__
    return f"{label}({','.join(_form(c) for c in node.children)})"


def parameters_first(kernel: Kernel) -> Kernel:
    """2*r*d as (2*d)*r: what is constant over the elements is multiplied once, and 2*r does not overflow before d."""
    fixed = frozenset(kernel.parameters)

    def is_constant(node: Node) -> bool:
        return variables(node) <= fixed and not _mentions_element(node)

    def gather(node: Node) -> Node:
        match node:
            case Bin("/", above, Bin("*") as below) if is_constant(above) and variables(above):
                # q/(d*x) as (q/d)/x, for the same two reasons.
                scale = [f for f in _factors(below) if is_constant(f)]
                rest = [f for f in _factors(below) if f not in scale]
                if scale and rest:
                    return Bin("/", Bin("/", above, functools.reduce(_times, scale)), functools.reduce(_times, rest))
                return node
        factors = _factors(node)
        constant = [f for f in factors if is_constant(f)]
        varying = [f for f in factors if f not in constant]
        if len(constant) < 2 or not varying:
            return node
        return Bin("*", functools.reduce(_times, constant), functools.reduce(_times, varying))

    return _everywhere(kernel, gather)


def _factors(node: Node) -> list[Node]:
    match node:
        case Bin("*", a, b):
            return [*_factors(a), *_factors(b)]
    return [node]


def _times(a: Node, b: Node) -> Node:
    return _canonical(Bin("*", a, b))


def _mentions_element(node: Node) -> bool:
    return any(isinstance(n, Index | Reduce) for n in walk(node))


def scale_shares(kernel: Kernel) -> Kernel:
    """c*min(1, |x/c|)/d as min(c, |x|)/d, for a parameter c > 0: x/c may be subnormal where the product is not.

    Here in a choice whose other branch is 1/e, and times a sign; it is one rounding less, too.
    """
    positive = {name for name, where in kernel.domains if name in kernel.parameters and where.low >= 0}

    def scaled(c: Var, node: Node) -> Node | None:
        match node:
            case Bin("*", a, Call("sign", _) as sign) | Bin("*", Call("sign", _) as sign, a):
                return None if (share := scaled(c, a)) is None else _canonical(Bin("*", share, sign))
            case Select(condition, Bin("/", Call("min", (one, share)), e), Bin("/", top, f)) if one == top == ONE:
                size = _times_scale(share, c)
                return size and Select(condition, Bin("/", Call("min", (c, size)), e), Bin("/", c, f))
        return None

    def scale(node: Node) -> Node:
        match node:
            case Bin("*", Var(name) as c, a) | Bin("*", a, Var(name) as c) if name in positive:
                return scaled(c, a) or node
        return node

    return _everywhere(kernel, scale)


def _times_scale(share: Node, c: Var) -> Node | None:
    """|x| where the share is |x/c| or |x|/c."""
    match share:
        case Call("abs", (Bin("/", x, d),)) if d == c:
            return _canonical(Call("abs", (x,)))
        case Bin("/", Call("abs", _) as size, d) if d == c:
            return size
    return None


def scale_before_squaring(kernel: Kernel) -> Kernel:
    """c*(x*x) as x*(c*x), for a constant or a parameter c: x*x overflows before c*x*x does."""
    fixed = frozenset(kernel.parameters)

    def scale(node: Node) -> Node:
        match node:
            case Bin("*", c, Bin("*", a, b)) | Bin("*", Bin("*", a, b), c) if a == b and not variables(a) <= fixed:
                if variables(c) <= fixed:
                    return _canonical(Bin("*", a, _canonical(Bin("*", c, a))))
        return node

    return _everywhere(kernel, scale)


def halve_exponents(kernel: Kernel) -> Kernel:
    """c*exp(x) as (c*exp(x/2))*exp(x/2): exp(x) overflows before c*exp(x) does.

    That is for a parameter c, and for a target c beside an exponential of the prediction alone.
    """
    fixed = frozenset(kernel.parameters)
    targets = frozenset(kernel.inputs) - frozenset(kernel.predictions)

    def is_scale(c: Node, x: Node) -> bool:
        if isinstance(c, Var) and c.name in targets:
            return variables(x) <= frozenset(kernel.predictions)
        return bool(variables(c)) and variables(c) <= fixed and not variables(x) <= fixed

    def halve(node: Node) -> Node:
        match node:
            case Bin("*" | "/" as op, a, b):
                growth, c = (a, b) if op == "/" or isinstance(a, Call) else (b, a)
                match growth:
                    case Call("exp", (x,)) if is_scale(c, x):
                        root = Call("exp", (_canonical(Bin("*", Const(Fraction(1, 2)), x)),))
                        scaled = Bin("/", root, c) if op == "/" else Bin("*", c, root)
                        return Bin("*", scaled, root)
        return node

    return _everywhere(kernel, halve)


def scale_once(kernel: Kernel) -> Kernel:
    """x*a/b/b as x*(a/b/b) where a series does so term by term: a division for all terms, not one for each."""
    roots = [a.value for a in (*kernel.body, *kernel.outputs)]
    count = Counter(_scale(node) for node in {n for root in roots for n in walk(root)})

    def scale(node: Node) -> Node:
        match node:
            case Bin("/", Bin("/", Bin("*", a, b), c), d) if count[_scale(node)] >= SERIES:
                x, factor = (a, b) if _scale(node) == (b, c, d) else (b, a)
                return Bin("*", x, Bin("/", Bin("/", factor, c), d))
        return node

    return _everywhere(kernel, scale)


def _scale(node: Node) -> tuple[Node, Node, Node] | None:
    """(a, b, b) of x*a/b/b, where a is the simpler of the factors."""
    match node:
        case Bin("/", Bin("/", Bin("*", x, y), b), c) if b == c and variables(b):
            return min(x, y, key=lambda factor: (len(_form(factor)), _key(factor))), b, c
    return None


def propagate_nan(kernel: Kernel) -> Kernel:
    """NaN in, NaN out: an output that a comparison with NaN could turn into a number is guarded."""
    if kernel.is_vector:
        return kernel
    outputs = []
    defined = {a.name for a in kernel.body}
    for output in kernel.outputs:
        # A definition such as r = f - y carries the NaN of all that it is made of.
        used = sorted(variables(output.value) & (defined or set(kernel.inputs)))
        if used and not defined:  # such as 2/y**2, which does not know of the prediction
            used = sorted({*used, *kernel.predictions})
        lost = [name for name in used or kernel.inputs if not _passes_nan(output.value, name)]
        value = output.value
        for name in lost:
            value = Select(Cmp("==", Var(name), Var(name)), value, Var(name))
        outputs.append(Assign(output.name, value))
    return dataclasses.replace(kernel, outputs=tuple(outputs))


def _passes_nan(node: Node, name: str) -> bool:
    match node:
        case Var(n):
            return n == name
        case Select(condition, _, otherwise):
            return _compares(condition, name) and _passes_nan(otherwise, name)
        case Call("max" | "min", (_, second)):
            return _passes_nan(second, name)
        case Call("pow", (base, exponent)):
            # pow(NaN, 0) is 1: only an exponent that is known and not zero passes a NaN on.
            return isinstance(exponent, Const) and exponent.value != 0 and _passes_nan(base, name)
    return any(_passes_nan(c, name) for c in node.children)


def _compares(condition: Node, name: str) -> bool:
    """Whether the condition is false for NaN: an order or equality with a side that passes NaN on."""
    return isinstance(condition, Cmp) and condition.op != "!=" and any(_passes_nan(c, name) for c in condition.children)


# What can raise an invalid operation, or overflow on the way to one.
_RISKY = frozenset({"log", "log1p", "sqrt", "pow", "exp", "expm1", "sinh", "cosh"})


def guard_branches(kernel: Kernel) -> Kernel:
    """In an eager target, evaluate an untaken branch at the pivot of its condition, where both are regular."""
    pivots = {p.condition: p for p in kernel.pivots}

    def guard(node: Node) -> Node:
        match node:
            case Select(condition, then, otherwise) if condition in pivots:
                pivot = pivots[condition]
                x, point = Var(pivot.variable), pivot.point
                inside = Select(condition, x, point)
                outside = Select(condition, point, x)
                return Select(condition, _guarded(then, x, inside), _guarded(otherwise, x, outside))
            case Select(Cmp("==", weight, c) as condition, then, otherwise) if c == ZERO:
                # xlogy and its kin: where the weight is 0 the other branch sees a harmless 1 in its logarithm.
                if not isinstance(weight, Call) and _risky(otherwise):
                    return Select(condition, then, _guard_arguments(otherwise, condition))
        return node

    return _everywhere(kernel, guard)


def _guarded(branch: Node, x: Var, value: Node) -> Node:
    return rewrite(branch, lambda n: value if n == x else n) if _risky(branch) else branch


def _guard_arguments(branch: Node, condition: Node) -> Node:
    def safe(node: Node) -> Node:
        match node:
            case Call("log" | "sqrt", (a,)):
                return Call(node.function, (Select(condition, ONE, a),))
            case Call("log1p", (a,)):
                return Call("log1p", (Select(condition, ZERO, a),))
            case Bin("/", a, b):
                return Bin("/", a, Select(condition, ONE, b))
        return node

    return rewrite(branch, safe)


def _risky(branch: Node) -> bool:
    for node in walk(branch):
        match node:
            case Call(function, _) if function in _RISKY:
                return True
            case Bin("/", _, b) if not isinstance(b, Const):
                return True
            case Bin("*", a, b) if variables(a) and variables(b):
                return True
    return False


def share_subexpressions(kernel: Kernel) -> Kernel:
    """Common subexpressions, across all outputs of a fused kernel, become temporaries."""
    count: Counter[Node] = Counter()
    roots = [a.value for a in (*kernel.body, *kernel.outputs)]
    for root in roots:
        count[root] += 1
    seen: set[Node] = set()
    for root in roots:
        for node in walk(root):
            if node not in seen:
                seen.add(node)
                count.update(node.children)
    body: list[Assign] = list(kernel.body)
    names: dict[Node, Node] = {a.value: Var(a.name) for a in kernel.body}

    def share(node: Node) -> Node:
        if node in names:
            return names[node]
        children = tuple(share(c) for c in node.children)
        new = node.rebuild(children) if children else node
        if count[node] > 1 and not isinstance(node, Const | Var):
            name = f"t{len(body) - len(kernel.body)}"
            body.append(Assign(name, new))
            names[node] = Var(name)
            return names[node]
        return new

    outputs = tuple(Assign(o.name, share(o.value)) for o in kernel.outputs)
    return dataclasses.replace(kernel, body=tuple(body), outputs=outputs)


def hoist_parameters(kernel: Kernel) -> Kernel:
    """Work that depends on parameters only moves to the prologue."""
    fixed = set(kernel.parameters)
    prologue: list[Assign] = []
    names: dict[Node, Node] = {}

    def hoist(node: Node) -> Node:
        if node in names:
            return names[node]
        if isinstance(node, Const | Var) or node.type == "bool":
            return node.rebuild(tuple(hoist(c) for c in node.children)) if node.children else node
        used = variables(node)
        if used and used <= fixed and not isinstance(node, Neg):
            name = f"c{len(prologue)}"
            prologue.append(Assign(name, node))
            names[node] = Var(name)
            return names[node]
        return node.rebuild(tuple(hoist(c) for c in node.children))

    body: list[Assign] = []
    for assign in kernel.body:
        used = variables(assign.value)
        if used and used <= fixed:
            prologue.append(assign)
            fixed.add(assign.name)
        else:
            body.append(Assign(assign.name, hoist(assign.value)))
    outputs = tuple(Assign(o.name, hoist(o.value)) for o in kernel.outputs)
    ordered = _in_order(prologue, set(kernel.parameters))
    return dataclasses.replace(kernel, prologue=ordered, body=tuple(body), outputs=outputs)


def _in_order(assigns: list[Assign], known: set[str]) -> tuple[Assign, ...]:
    """The assignments, each after those it uses."""
    pending, done = list(assigns), []
    while pending:
        ready = [a for a in pending if variables(a.value) <= known]
        done += ready
        known |= {a.name for a in ready}
        pending = [a for a in pending if a not in ready]
    return tuple(done)


def share_over_classes(kernel: Kernel) -> Kernel:
    """What is computed once a row, and what once a class, become temporaries: reductions first, innermost first."""
    reduced = _share_reductions(kernel)
    axes = {o.name: a for o, a in zip(kernel.outputs, kernel.axes, strict=True)}
    places: dict[Node, set[tuple[str, str]]] = {}
    for root in (*reduced.body, *reduced.outputs):
        for node in walk(root.value):
            if (index := _single_class(node, kernel.index_target)) is not None:
                twice = [(root.name, "again")] if len(axes.get(root.name, ())) == 2 else []
                places.setdefault(_at_class(node), set()).update([(root.name, index), *twice])
    shared = {node for node, found in places.items() if len(found) > 1}
    body: list[Assign] = []
    names: dict[Node, str] = {}

    def temporary(key: Node, value: Callable[[], Node]) -> str:
        if key not in names:
            made = value()  # which may need temporaries of its own
            names[key] = f"t{len(body)}"
            body.append(Assign(names[key], made))
        return names[key]

    def build(node: Node, looping: bool) -> Node:
        if isinstance(node, Var):
            return Var(names.get(node, node.name))
        if looping and node.children and node.type == "real" and variables(node) and not classes(node):
            return Var(temporary(node, lambda: build(node, False)))
        index = _single_class(node, kernel.index_target)
        if index is not None and (key := _at_class(node)) in shared:
            return Elem(temporary(key, lambda: Spread("c", rebuilt(key, True))), index)
        return rebuilt(node, looping or isinstance(node, Reduce))

    def rebuilt(node: Node, looping: bool) -> Node:
        return node.rebuild(tuple(build(child, looping) for child in node.children))

    for assign in reduced.body:
        temporary(Var(assign.name), lambda value=assign.value: build(value, False))  # type: ignore[misc]
    outputs = tuple(Assign(o.name, build(o.value, bool(axes[o.name]))) for o in reduced.outputs)
    return dataclasses.replace(kernel, body=tuple(body), outputs=outputs)


def _single_class(node: Node, label: str | None) -> str | None:
    """The class at which a node worth a temporary is taken, when it is one and the node has no reduction."""
    worth = isinstance(node, Call) or (isinstance(node, Bin) and node.op == "/")
    found = classes(node)
    if not worth or len(found) != 1 or not any(isinstance(n, Elem) for n in walk(node)):
        return None
    if any(isinstance(n, Reduce) or (isinstance(n, Index) and n.name != label) for n in walk(node)):
        return None
    return next(iter(found))


def _at_class(node: Node) -> Node:
    """The node with its only index renamed, so that what is equal is equal."""
    return rewrite(node, lambda n: Elem(n.vector, "c") if isinstance(n, Elem) else n)


def _share_reductions(kernel: Kernel) -> Kernel:
    """Reductions over the classes as temporaries, innermost first."""
    body: list[Assign] = []
    names: dict[Node, Node] = {}

    def share(node: Node) -> Node:
        if isinstance(node, Reduce):
            if node not in names:
                value = node.rebuild(tuple(rewrite(c, share) for c in node.children))
                if value not in names:
                    names[value] = Var(f"t{len(body)}")
                    body.append(Assign(f"t{len(body)}", value))
                names[node] = names[value]
            return names[node]
        return node

    outputs = tuple(Assign(o.name, rewrite(o.value, share)) for o in kernel.outputs)
    return dataclasses.replace(kernel, body=tuple(body), outputs=outputs)


__all__ = [
    "BoolOp", "canonical_order", "expand_small_powers", "guard_branches", "hoist_parameters", "optimise",
    "propagate_nan", "share_over_classes", "share_subexpressions",
]  # fmt: skip
