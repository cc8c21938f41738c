"""How does a formula read?

`text` and `latex` print an expression as an author would have written it:
positive terms before negative ones, fractions as fractions, a Piecewise as
`A if C else B` or as cases, comparisons with the variable on the left. Nothing
is rearranged in the expression itself, so that `text` can be read back:
`parse_expression(text(e), symbols) == e`.

Both printers walk the expression in the same way and differ in a `Style`, a
record of how each construct is put down. A printed part carries how tightly it
binds; `Style.group` sets parentheses where a part binds too loosely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Add, Expr, Indexed, IndexedBase, KroneckerDelta, Mul, Piecewise, Pow, Rational, S, Sum, Symbol
from sympy.core.function import Application, AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import ITE, And, Boolean, BooleanFalse, BooleanTrue, Not, Or

from .atoms import FUNCTIONS

# How tightly a printed part binds, loosest first.
CHOICE, OR, AND, NOT, COMPARE, SUM, PRODUCT, POWER, ATOM = range(9)

_NAMES = {function: name for name, function in FUNCTIONS.items() if name != "sqrt"}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_SIGNS = {sp.Lt: "<", sp.Le: "<=", sp.Gt: ">", sp.Ge: ">=", sp.Eq: "==", sp.Ne: "!="}


@dataclass(frozen=True, slots=True)
class Part:
    """Something printed, and how tightly it binds."""

    text: str
    binds: int = ATOM


@dataclass(frozen=True, slots=True)
class Style:
    """How each construct is put down; parts arrive printed."""

    symbol: Callable[[str], str]
    integer: Callable[[int], Part]
    constants: dict[Expr, str]
    group: Callable[[str], str]
    product: Callable[[Sequence[Part]], str]
    fraction: Callable[[Sequence[Part], Sequence[Part]], Part]
    power: Callable[[Part, Part], Part]
    root: Callable[[str], Part]
    exponential: Callable[[Part], Part]
    call: Callable[[str, Sequence[str]], Part]
    compare: Callable[[str, str, str], str]
    logic: dict[str, str]
    choice: Callable[[Sequence[tuple[Part, Part]], Part], Part]
    element: Callable[[str, Sequence[str]], Part]
    delta: Callable[[str, str], Part]
    total: Callable[[Part, Sequence[tuple[str, str, str]]], Part]


def _grouped(style: Style, part: Part, binds: int) -> str:
    return part.text if part.binds >= binds else style.group(part.text)


def _part(e: Any, style: Style) -> Part:
    """Print any expression or condition."""
    match e:
        case Rational():
            return _product(e, style)
        case Symbol() | IndexedBase():
            return Part(style.symbol(str(e)))
        case Add():
            return _sum(e, style)
        case Mul():
            return _product(e, style)
        case sp.exp():
            return style.exponential(_part(e.args[0], style))
        case Pow():
            return _power(e, style)
        case Piecewise():
            return _piecewise(e, style)
        case Relational():
            return _relation(e, style)
        case And():
            return _and(e, style)
        case Or():
            parts = [_grouped(style, _part(a, style), AND) for a in sorted(e.args, key=lambda a: a.sort_key())]
            return Part(style.logic["or"].join(parts), OR)
        case Not():
            return Part(style.logic["not"] + _grouped(style, _part(e.args[0], style), COMPARE), NOT)
        case ITE():
            condition, yes, no = e.args
            return _part(Or(And(condition, yes), And(Not(condition), no)), style)
        case BooleanTrue() | BooleanFalse():
            return Part(style.logic["true" if e else "false"])
        case Indexed():
            return style.element(style.symbol(str(e.base)), [_part(i, style).text for i in e.indices])
        case KroneckerDelta():
            return style.delta(*(_part(i, style).text for i in e.args[:2]))
        case Sum():
            limits = [(_part(k, style).text, _part(a, style).text, _part(b, style).text) for k, a, b in e.limits]
            return style.total(_part(e.function, style), limits)
        case Application():
            return _call(e, style)
    if e in style.constants:
        return Part(style.constants[e])
    name = type(e).__name__
    return style.call(name, [_part(a, style).text for a in e.args]) if e.args else Part(style.symbol(str(e)))


def _call(e: Any, style: Style) -> Part:
    name = e.func.__name__ if isinstance(e, AppliedUndef) else _NAMES.get(e.func, e.func.__name__)
    if e.args and isinstance(e.args[0], IndexedBase):
        vector, *indices = (_part(a, style).text for a in e.args)
        called = style.call(name, [vector])
        return style.element(called.text, indices) if indices else called
    arguments = sorted(e.args, key=_author_key) if name in ("min", "max") else e.args
    return style.call(name, [_part(a, style).text for a in arguments])


def _author_key(e: Expr) -> tuple[bool, Any]:
    """Numbers first, then SymPy's own order, which does not depend on hashes."""
    return not e.is_Number, e.sort_key()


def _is_negative(term: Any) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def _sum_order(e: Add) -> list[Expr]:
    """Positive terms first; a positive number leads unless all else is linear: 1 + x**2, but nu + 1."""
    terms = list(e.as_ordered_terms())
    positive = [t for t in terms if not _is_negative(t)]
    negative = [t for t in terms if _is_negative(t)]
    numbers = [t for t in positive if not t.free_symbols]
    others = [t for t in positive if t.free_symbols]
    linear = all(t.as_coeff_Mul()[1].is_Symbol for t in others)
    return (others + numbers if linear else numbers + others) + negative


def _sum(e: Add, style: Style) -> Part:
    printed = ""
    for term in _sum_order(e):
        if printed:
            negative = _is_negative(term)
            part = _product(-term if term.is_Rational else Mul(-1, *Mul.make_args(term)), style) if negative else None
            printed += (" - " if negative else " + ") + _grouped(style, part or _part(term, style), PRODUCT)
        else:
            printed = _grouped(style, _part(term, style), SUM)
    return Part(printed, SUM)


def _product(e: Expr, style: Style) -> Part:
    """A product or a rational number: sign, numerator and denominator."""
    coefficient, rest = e.as_coeff_Mul()
    if not isinstance(coefficient, Rational):
        coefficient, rest = S.One, e
    above: list[Part] = []
    below: list[Part] = []
    for factor in rest.as_ordered_factors() if isinstance(rest, Mul) else [rest]:
        base, exponent = factor.as_base_exp()
        if isinstance(exponent, Rational) and exponent < 0 and not isinstance(factor, sp.exp):
            below.append(_part(Pow(base, -exponent), style))
        elif factor is not S.One:
            above.append(_part(factor, style))
    number, divisor = abs(coefficient.p), coefficient.q
    if number != 1 or not above:
        above.insert(0, style.integer(number))
    if divisor != 1:
        below.insert(0, style.integer(divisor))
    if below:
        printed = style.fraction(above, below)
    elif len(above) == 1:
        printed = above[0]
    else:
        printed = Part(style.product(above), PRODUCT)
    if coefficient < 0:
        return Part("-" + _grouped(style, printed, PRODUCT), SUM)
    return printed


def _power(e: Pow, style: Style) -> Part:
    base, exponent = e.args
    if base is S.Exp1:
        return style.exponential(_part(exponent, style))
    if isinstance(exponent, Rational) and exponent < 0:
        return style.fraction([Part("1")], [_part(Pow(base, -exponent), style)])
    if exponent == Rational(1, 2):
        return style.root(_part(base, style).text)
    return style.power(_part(base, style), _part(exponent, style))


def _oriented(e: Relational) -> tuple[Expr, str, Expr]:
    """The variable on the left: abs(r) <= delta, where SymPy has delta >= Abs(r)."""
    left, right, sign = e.lhs, e.rhs, _SIGNS[type(e)]
    bound = left.is_Symbol and (right.has(Application) or (left.is_positive and not right.is_positive))
    if not right.is_number and (left.is_number or bound):
        return right, _FLIPPED[sign], left
    return left, sign, right


def _relation(e: Relational, style: Style) -> Part:
    left, sign, right = _oriented(e)
    sides = (_grouped(style, _part(side, style), SUM) for side in (left, right))
    return Part(style.compare(sign, *sides), COMPARE)


def _and(e: And, style: Style) -> Part:
    """A conjunction; two bounds of one variable as -1 < x <= 1."""
    conditions = sorted(e.args, key=lambda a: a.sort_key())
    parts: list[Part] = []
    while conditions:
        first = conditions.pop(0)
        if (other := next((c for c in conditions if _bounds(first, c)), None)) is not None:
            conditions.remove(other)
            low, high = (first, other) if _oriented(first)[1] in (">", ">=") else (other, first)
            (x, above, a), (_, below, b) = _oriented(low), _oriented(high)
            ends = [_grouped(style, _part(side, style), SUM) for side in (a, x, b)]
            chain = style.compare(below, style.compare(_FLIPPED[above], *ends[:2]), ends[2])
            parts.append(Part(chain, COMPARE))
        else:
            parts.append(_part(first, style))
    return parts[0] if len(parts) == 1 else Part(style.logic["and"].join(_grouped(style, q, NOT) for q in parts), AND)


def _bounds(first: Any, second: Any) -> bool:
    """Whether two conditions bound one expression from below and from above."""
    if not isinstance(first, Relational) or not isinstance(second, Relational):
        return False
    (x, sign, _), (y, other, _) = _oriented(first), _oriented(second)
    return x == y and {sign[0], other[0]} == {"<", ">"}


def _piecewise(e: Piecewise, style: Style) -> Part:
    """The last branch stands for all that is left: a loss has a value everywhere."""
    *branches, (otherwise, _) = e.args
    if not branches:
        return _part(otherwise, style)
    return style.choice([(_part(v, style), _part(c, style)) for v, c in branches], _part(otherwise, style))


# Text ---------------------------------------------------------------------------------------------------------------


def _power_of_ten(n: int) -> tuple[str, int]:
    """A long round number as its first digits and the number of zeros."""
    digits = str(n)
    mantissa = digits.rstrip("0")
    return (mantissa, len(digits) - len(mantissa)) if len(digits) > 15 and len(mantissa) < 15 else (digits, 0)


def _text_integer(n: int) -> Part:
    mantissa, zeros = _power_of_ten(n)
    return Part(f"{mantissa}e{zeros}" if zeros else mantissa)


def _text_product(factors: Sequence[Part]) -> str:
    return "*".join(_grouped(TEXT, f, PRODUCT + (i > 0)) for i, f in enumerate(factors))


def _text_fraction(above: Sequence[Part], below: Sequence[Part]) -> Part:
    divisor = _grouped(TEXT, below[0], POWER) if len(below) == 1 else f"({_text_product(below)})"
    return Part(f"{_text_product(above)}/{divisor}", PRODUCT)


def _text_choice(branches: Sequence[tuple[Part, Part]], otherwise: Part) -> Part:
    chain = [f"{_grouped(TEXT, v, OR)} if {_grouped(TEXT, c, OR)}" for v, c in branches]
    return Part(" else ".join([*chain, _grouped(TEXT, otherwise, OR)]), CHOICE)


def _text_call(name: str, arguments: Sequence[str]) -> Part:
    return Part(f"{name}({', '.join(arguments)})")


TEXT: Style = Style(
    symbol=str,
    integer=_text_integer,
    constants={S.Pi: "pi", S.Exp1: "e", S.Infinity: "oo", S.NegativeInfinity: "-oo"},
    group=lambda t: f"({t})",
    product=_text_product,
    fraction=_text_fraction,
    power=lambda b, e: Part(f"{_grouped(TEXT, b, ATOM)}**{_grouped(TEXT, e, ATOM)}", POWER),
    root=lambda t: _text_call("sqrt", [t]),
    exponential=lambda x: _text_call("exp", [x.text]),
    call=_text_call,
    compare=lambda sign, a, b: f"{a} {sign} {b}",
    logic={"and": " and ", "or": " or ", "not": "not ", "true": "true", "false": "false"},
    choice=_text_choice,
    element=lambda base, indices: Part(f"{base}[{', '.join(indices)}]"),
    delta=lambda i, j: _text_call("delta", [i, j]),
    total=lambda body, limits: _text_call("sum", [body.text, *(k for k, _, _ in limits)]),
)


# LaTeX --------------------------------------------------------------------------------------------------------------

_GREEK = {
    *(
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
    ),
    *("pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi"),
    *("Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"),
}
_LETTERS = {"ε": "epsilon", "θ": "theta", "φ": "phi"} | {
    c: n.lower() if c.islower() else n.title()
    for n, pair in {"alpha": "αΑ", "beta": "βΒ", "gamma": "γΓ", "delta": "δΔ", "zeta": "ζΖ", "eta": "ηΗ", "iota": "ιΙ",
                    "kappa": "κΚ", "lambda": "λΛ", "mu": "μΜ", "nu": "νΝ", "xi": "ξΞ", "pi": "πΠ", "rho": "ρΡ",
                    "sigma": "σΣ", "tau": "τΤ", "upsilon": "υΥ", "chi": "χΧ", "psi": "ψΨ", "omega": "ωΩ"}.items()
    for c in pair
}  # fmt: skip
_MACROS = {"log": r"\log", "sin": r"\sin", "cos": r"\cos", "sinh": r"\sinh", "cosh": r"\cosh", "tanh": r"\tanh",
           "atan": r"\arctan", "min": r"\min", "max": r"\max", "sigmoid": r"\sigma"}  # fmt: skip
_RELATIONS = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne"}


def _paren(t: str) -> str:
    return rf"\left({t}\right)"


def _latex_word(word: str) -> str:
    named = _LETTERS.get(word, word)
    if named in _GREEK:
        return {"epsilon": r"\varepsilon"}.get(named, "\\" + named)
    escaped = word.replace("_", r"\_")
    return escaped if len(word) == 1 else rf"\mathrm{{{escaped}}}"


def _latex_symbol(name: str) -> str:
    """tau_1 and tau1 as an indexed Greek letter; other words upright."""
    head, *indices = [w for w in name.split("_") if w] or [name]
    stem = head.rstrip("0123456789")
    if stem and stem != head:
        head, indices = stem, [head[len(stem) :], *indices]
    shown = ", ".join(i if i.isdigit() else _latex_word(i) for i in indices)
    return _latex_word(head) + (f"_{{{shown}}}" if shown else "")


def _latex_integer(n: int) -> Part:
    mantissa, zeros = _power_of_ten(n)
    if not zeros:
        return Part(mantissa)
    return Part(f"10^{{{zeros}}}" if mantissa == "1" else rf"{mantissa} \cdot 10^{{{zeros}}}", PRODUCT)


def _latex_product(factors: Sequence[Part]) -> str:
    """Factors side by side; a sign where digits would run together, a space beside words."""
    printed = ""
    for factor in factors:
        piece = _grouped(LATEX, factor, PRODUCT)
        if printed:
            words = r"\mathrm" in (printed[-len(piece) - 40 :] + piece)
            printed += r" \cdot " if piece[0].isdigit() else r" \, " if words else " "
        printed += piece
    return printed


def _latex_fraction(above: Sequence[Part], below: Sequence[Part]) -> Part:
    # Over a plain number, a last factor in words or parentheses stands beside the fraction, as on paper.
    *tops, last = above
    beside = ""
    if tops and len(below) == 1 and below[0].text.isdigit():
        beside = _grouped(LATEX, last, PRODUCT) if last.text.startswith("\\") or last.binds == SUM else ""
        beside = beside if r"\left" in beside else ""
    tops = tops if beside else [*tops, last]
    top, bottom = (p[0].text if len(p) == 1 else _latex_product(p) for p in (tops, below))
    return Part(rf"\frac{{{top}}}{{{bottom}}}{' ' * bool(beside)}{beside}", PRODUCT)


def _latex_power(base: Part, exponent: Part) -> Part:
    return Part(f"{_grouped(LATEX, base, ATOM)}^{{{exponent.text}}}", POWER)


def _latex_exponential(x: Part) -> Part:
    # A tall exponent is set on the line.
    if any(tall in x.text for tall in (r"\frac", r"\left", r"\sum", r"\begin")) or len(x.text) > 24:
        return Part(r"\exp" + _paren(x.text))
    return Part(f"e^{{{x.text}}}", POWER)


def _latex_call(name: str, arguments: Sequence[str]) -> Part:
    listed = ", ".join(arguments)
    if name == "abs":
        return Part(rf"\left\lvert {listed}\right\rvert")
    if name == "sqrt":
        return Part(rf"\sqrt{{{listed}}}")
    escaped = name.replace("_", r"\_")
    return Part(_MACROS.get(name, rf"\operatorname{{{escaped}}}") + _paren(listed))


def _latex_choice(branches: Sequence[tuple[Part, Part]], otherwise: Part) -> Part:
    rows = [rf"{v.text} & \text{{if }} {c.text}" for v, c in branches] + [rf"{otherwise.text} & \text{{otherwise}}"]
    return Part(r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}", SUM)


def _latex_total(body: Part, limits: Sequence[tuple[str, str, str]]) -> Part:
    signs = " ".join(rf"\sum_{{{k}={low}}}^{{{high}}}" for k, low, high in limits)
    return Part(f"{signs} {_grouped(LATEX, body, PRODUCT)}", PRODUCT)


LATEX: Style = Style(
    symbol=_latex_symbol,
    integer=_latex_integer,
    constants={S.Pi: r"\pi", S.Exp1: "e", S.Infinity: r"\infty", S.NegativeInfinity: r"-\infty"},
    group=_paren,
    product=_latex_product,
    fraction=_latex_fraction,
    power=_latex_power,
    root=lambda t: _latex_call("sqrt", [t]),
    exponential=_latex_exponential,
    call=_latex_call,
    compare=lambda sign, a, b: f"{a} {_RELATIONS[sign]} {b}",
    logic={"and": r" \land ", "or": r" \lor ", "not": r"\lnot ", "true": r"\text{true}", "false": r"\text{false}"},
    choice=_latex_choice,
    element=lambda base, indices: Part(f"{base}_{{{', '.join(indices)}}}"),
    delta=lambda i, j: Part(rf"\delta_{{{i} {j}}}"),
    total=_latex_total,
)


def text(expression: Expr | Boolean) -> str:
    """The formula as text that `parse_expression` reads back (scalar formulas)."""
    return _part(expression, TEXT).text


def latex(expression: Expr | Boolean) -> str:
    """The formula as LaTeX for math mode; plain commands that KaTeX knows."""
    return _part(expression, LATEX).text
