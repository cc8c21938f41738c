"""What is proved of a loss over K classes, K symbolic? A small exact calculus of sums over the classes.

An expression is a polynomial over Q, with negative powers, in atoms: f[k], exp(f[k]), log(p[k]), and sums over all
classes of such products, which need no index. So sum(exp(f[j]), j) is one atom, and the derivative of the loss in a
direction v is again such a polynomial: of the softmax cross entropy, the second one is

    (S(w)*S(w*v**2) - S(w*v)**2) / S(w)**2   with w = exp(f), S the sum over the classes,

which is a variance. The calculus reads the formula itself and knows no loss by name. docs/lemmas.md states and
proves what it concludes, for every K >= 2. The checker and the prover both stand on this module; it knows neither SymPy
nor the prover.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .cells import ends
from .reading import Unproved, parse
from .tower import Sign, times

Atom = tuple[Any, ...]
Monomial = tuple[tuple[Atom, int], ...]
Sum = dict[Monomial, Fraction]  # of monomials with coefficients
Statement = dict[str, Any]

CLAIMED = ("convex", "strictly_convex", "lipschitz", "smooth", "nonnegative")
V = "'"  # the direction; no argument has such a name
BOUND = ""  # the index of the class that a sum runs over
LARGEST = 400  # terms


def statement(facts: dict[str, Any]) -> Statement | None:
    """What is proved about: the formula over the classes; None for more than one prediction or target."""
    roles = {role: [n for n, a in facts["arguments"].items() if a["role"] == role] for role in ("prediction", "target")}
    if any(len(names) != 1 for names in roles.values()) or facts["definitions"]:
        return None
    (f,), (y,) = roles["prediction"], roles["target"]
    return {
        "formula": facts["formula"]["text"],
        "variable": f,
        "size": facts["size"],
        "base": None,
        "domain": facts["arguments"][f]["domain"],
        "inputs": {y: facts["arguments"][y]["domain"]},
        "parameters": {n: p["domain"] for n, p in facts["parameters"].items()},
    }


# Polynomials in atoms -----------------------------------------------------------------------------


def number(value: Any) -> Sum:
    return {(): Fraction(value)} if value else {}


def plus(a: Sum, b: Sum, scale: int = 1) -> Sum:
    out = dict(a)
    for m, c in b.items():
        out[m] = out.get(m, Fraction(0)) + scale * c
    if len(out) > LARGEST:
        raise Unproved("an expression grew too long")
    return {m: c for m, c in out.items() if c}


def joined(a: Monomial, b: Monomial, power: int = 1) -> Monomial:
    out = dict(a)
    for atom, k in b:
        out[atom] = out.get(atom, 0) + power * k
    return tuple(sorted(((atom, k) for atom, k in out.items() if k), key=repr))


def product(a: Sum, b: Sum) -> Sum:
    out: Sum = {}
    for m, c in a.items():
        out = plus(out, {joined(m, n): c * d for n, d in b.items()})
    return out


def of(atom: Atom, power: int = 1) -> Sum:
    return {((atom, power),): Fraction(1)}


class Calculus:
    """The formulas of one loss over K classes."""

    def __init__(self, loss: Statement) -> None:
        self.loss, self.f, (self.y,) = loss, loss["variable"], loss["inputs"]
        box, caret, size = loss["domain"].partition("^")
        if not caret or size != loss["size"]:
            raise Unproved("a prediction that is no box of classes")
        self.low, self.high = ends(box)[:2]
        target = loss["inputs"][self.y]
        if target not in (f"simplex({size})", f"one_hot({size})"):
            raise Unproved("a target that is no distribution over the classes")

    # Signs, inside the domain

    def sign_of(self, atom: Atom) -> Sign:
        match atom:
            case ("of", self.y, _):
                return 1
            case ("of" | "log", self.f, _) if atom[0] == "of" or self.positive():
                if atom[0] == "log":  # log(p) where p is below 1
                    return -2 if self.high == "1" else None
                return 2 if self.positive() else None
            case ("exp", _, _) | ("size",):
                return 2
            case ("sum", m):
                return self.sign(m)
            case ("free", name):
                domain = self.loss["parameters"][name]
                if domain[0] not in "([" or not domain.removeprefix("(").removeprefix("[").startswith("0,"):
                    return None
                return 2 if domain[0] == "(" else 1
        return None

    def positive(self) -> bool:
        """Whether every element of the prediction is positive inside its domain."""
        return self.low != "-oo" and Fraction(self.low) >= 0

    def sign(self, m: Monomial) -> Sign:
        total: Sign = 2
        for atom, k in m:
            s = self.sign_of(atom)
            if k % 2 == 0:
                s = 2 if s in (2, -2) else 1 if k > 0 else None
            elif k < 0 and s not in (2, -2):
                s = None
            total = times(total, s)
        return total

    def nonnegative(self, e: Sum, what: str) -> None:
        for m, c in e.items():
            if (s := self.sign(m)) is None or s * c < 0:
                raise Unproved(f"{what}: a term whose sign is not known")

    # Reading

    def read(self, node: ast.expr, index: dict[str, str]) -> Sum:
        match node:
            case ast.Constant(value=int() | float() as value):
                return number(Fraction(str(value)))
            case ast.Name(id=name) if name == self.loss["size"]:
                return of(("size",))
            case ast.Name(id=name) if name in self.loss["parameters"]:
                return of(("free", name))
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id=k)) if name in (self.f, self.y):
                return of(("of", name, index[k]))
            case ast.Subscript(value=ast.Call(func=ast.Name(id="softmax"), args=[ast.Name(self.f)]), slice=k):
                top = self.read(ast.Subscript(ast.Name(self.f), k), index)
                return self.quotient(self.exp(top), self.total(of(("exp", self.f, "k")), "k"))
            case ast.UnaryOp(op=ast.USub(), operand=a):
                return plus({}, self.read(a, index), -1)
            case ast.Call(func=ast.Name(id="sum"), args=[body, ast.Name(id=k)]):
                own = f"{k}{len(index)}"
                return self.total(self.read(body, {**index, k: own}), own)
            case ast.Call(func=ast.Name(id="exp"), args=[a]):
                return self.exp(self.read(a, index))
            case ast.Call(func=ast.Name(id="log"), args=[a]):
                return self.log(self.read(a, index))
            case ast.BinOp(left=a, op=ast.Pow(), right=ast.Constant(value=int() as n)) if 0 <= n <= 8:
                out, base = number(1), self.read(a, index)
                for _ in range(n):
                    out = product(out, base)
                return out
            case ast.BinOp(left=a, op=op, right=b):
                x, z = self.read(a, index), self.read(b, index)
                match op:
                    case ast.Add():
                        return plus(x, z)
                    case ast.Sub():
                        return plus(x, z, -1)
                    case ast.Mult():
                        return product(x, z)
                    case ast.Div():
                        return self.quotient(x, z)
        raise Unproved(f"unknown construct {ast.unparse(node)}")

    def quotient(self, a: Sum, b: Sum) -> Sum:
        """Division by one product of atoms that cannot vanish."""
        if len(b) != 1:
            raise Unproved("a divisor of several terms")
        ((m, c),) = b.items()
        if self.sign(m) not in (2, -2):
            raise Unproved("a divisor may vanish")
        return {joined(n, m, -1): d / c for n, d in a.items()}

    def exp(self, e: Sum) -> Sum:
        """exp of a sum of elements of the prediction with whole coefficients."""
        out: Monomial = ()
        for m, c in e.items():
            match m:
                case ((("of", self.f, k), 1),) if c.denominator == 1:
                    out = joined(out, ((("exp", self.f, k), int(c)),))
                case _:
                    raise Unproved("exp of another expression than scores")
        return {out: Fraction(1)}

    def log(self, e: Sum) -> Sum:
        """log of a product of positive atoms."""
        if len(e) != 1 or next(iter(e.values())) != 1:
            raise Unproved("log of a sum, or of a multiple")
        out: Sum = {}
        for atom, power in next(iter(e)):
            match atom:
                case ("exp", name, k):
                    term = of(("of", name, k))
                case ("of", self.f, k) if self.positive():
                    term = of(("log", self.f, k))
                case ("sum", m) if self.sign(m) == 2:
                    term = of(("log sum", m))
                case _:
                    raise Unproved("log of what is not known to be positive")
            out = plus(out, product(number(power), term))
        return out

    def total(self, e: Sum, k: str) -> Sum:
        """The sum over all classes k: what does not depend on k goes before it, and a distribution has the sum 1."""
        out: Sum = {}
        for m, c in e.items():
            inside = tuple((a, n) for a, n in m if len(a) == 3 and a[2] == k)
            outside = tuple(x for x in m if x not in inside)
            renamed = tuple(sorted((((*a[:2], BOUND), n) for a, n in inside), key=repr))
            out = plus(out, {joined(outside, self.summed(renamed)): c})
        return out

    def summed(self, inside: Monomial) -> Monomial:
        if not inside:
            return ((("size",), 1),)
        return () if inside == ((("of", self.y, BOUND), 1),) else ((("sum", inside), 1),)

    def formula(self) -> Sum:
        return self.read(parse(self.loss["formula"]), {})

    # Calculus

    def slope(self, e: Sum) -> Sum:
        """The derivative in the direction v."""
        out: Sum = {}
        for m, c in e.items():
            for atom, k in m:
                rest = joined(m, ((atom, 1),), -1)
                out = plus(out, product({rest: c * k}, self.slope_of(atom)))
        return out

    def slope_of(self, atom: Atom) -> Sum:
        match atom:
            case ("of", self.f, k):
                return of(("of", V, k))
            case ("exp", _, k):
                return product(of(atom), of(("of", V, k)))
            case ("log", name, k):
                return product(of(("of", V, k)), of(("of", name, k), -1))
            case ("sum", m):
                return self.total(self.slope({m: Fraction(1)}), BOUND)
            case ("log sum", m):
                return product(self.slope_of(("sum", m)), of(("sum", m), -1))
        return {}  # of the target, the direction, a parameter, K

    def replaced(self, e: Sum, change: Callable[[Monomial], Sum]) -> Sum:
        """The expression with every sum S(m) replaced by what `change` makes of m."""
        out: Sum = {}
        for m, c in e.items():
            term: Sum = {(): c}
            for atom, k in m:
                new = change(atom[1]) if atom[0] == "sum" else of(atom)
                if k < 0:
                    new = self.quotient(number(1), new)
                for _ in range(abs(k)):
                    term = product(term, new)
            out = plus(out, term)
        return out

    def weight(self, text: str) -> Monomial:
        """A product of positive atoms of one class k, as a certificate names it."""
        e = self.read(parse(text), {"k": BOUND})
        if len(e) != 1 or next(iter(e.values())) != 1 or self.sign(next(iter(e))) != 2:
            raise Unproved("no positive weight")
        return next(iter(e))


def power(name: str, n: int) -> Monomial:
    return ((("of", name, BOUND), n),)


def has(m: Monomial, name: str) -> bool:
    return any(a[0] == "of" and a[1] == name for a, _ in m)


def spread(c: Calculus, q: Sum, w: Monomial) -> tuple[Sum, Sum]:
    """q as g*(S(w)*S(w*v**2) - S(w*v)**2) + rest: g and the rest."""
    mean = ("sum", joined(w, power(V, 1)))
    g = {joined(m, ((mean, 2),), -1): -x for m, x in q.items() if dict(m).get(mean) == 2}
    total, square = of(("sum", w)), of(("sum", joined(w, power(V, 2))))
    return g, plus(q, product(g, plus(product(total, square), of(mean, 2), -1)), -1)


# What a certificate shows -------------------------------------------------------------------------


def convex(c: Calculus, node: dict[str, Any], strictly: bool) -> None:
    """The second derivative is a sum of variances and of terms that are at least 0 (lemma `variance`)."""
    rest = c.slope(c.slope(c.formula()))
    for text in node["weights"]:
        g, rest = spread(c, rest, c.weight(text))
        c.nonnegative(g, "the factor of a variance")
    c.nonnegative(rest, "what is left of the second derivative")
    if strictly and not any(strict(c, m) for m in rest):
        raise Unproved("no term is positive in every direction")


def strict(c: Calculus, m: Monomial) -> bool:
    """Whether a term is positive for every direction but 0: a positive multiple of S(w*v**2), w > 0."""
    inside = [atom[1] for atom, k in m if atom[0] == "sum" and has(atom[1], V)]
    others = tuple(x for x in m if not (x[0][0] == "sum" and has(x[0][1], V)))
    return (
        len(inside) == 1
        and dict(m)[("sum", inside[0])] == 1
        and dict(inside[0]).get(("of", V, BOUND)) == 2
        and c.sign(joined(inside[0], power(V, -2))) == 2
        and c.sign(others) == 2
    )


def smooth(c: Calculus, node: dict[str, Any]) -> str:
    """The second derivative is a variance, and so at most |v|**2/2 (lemma `spread`)."""
    w = c.weight(node["weight"])
    g, rest = spread(c, c.slope(c.slope(c.formula())), w)
    if rest or g != of(("sum", w), -2):
        raise Unproved("the second derivative is not one variance")
    return "1/2"


def lipschitz(c: Calculus, node: dict[str, Any]) -> str:
    """The derivative is a difference of two means of v, and so at most sqrt(2)*|v| (lemma `spread`)."""
    w = c.weight(node["weight"])
    means = product(of(("sum", joined(w, power(V, 1)))), of(("sum", w), -1))
    if c.slope(c.formula()) != plus(means, of(("sum", joined(power(c.y, 1), power(V, 1)))), -1):
        raise Unproved("the derivative is not a difference of means")
    return "sqrt(2)"


def nonnegative(c: Calculus, node: dict[str, Any]) -> None:
    """Terms that are at least 0, and log S(exp(f)) - S(y*f), which is (lemma `largest`)."""
    e = c.formula()
    if node.get("largest"):
        w = ((("exp", c.f, BOUND), 1),)
        pair = plus(of(("log sum", w)), of(("sum", joined(power(c.y, 1), power(c.f, 1)))), -1)
        e = plus(e, pair, -1)
    c.nonnegative(e, "the loss")


def refute(c: Calculus, name: str, kind: str) -> None:
    """Whether a direction, or a class, contradicts the property (lemma `directions`)."""
    order = {"strictly_convex": 2, "smooth": 2, "lipschitz": 1}[name]
    e = c.formula()
    for _ in range(order):
        e = c.slope(e)
    if name == "strictly_convex":
        if kind == "constant":  # v = 1 for every class
            e = c.replaced(e, lambda m: {c.summed(tuple(x for x in m if x[0][:2] != ("of", V))): Fraction(1)})
        elif kind == "apart":  # the target is one class, and v is 1 in another one alone
            e = {m: x for m, x in e.items() if not any(a[0] == "sum" and has(a[1], V) and has(a[1], c.y) for a, _ in m)}
        else:
            raise Unproved("no such direction")
        if e:
            raise Unproved("the loss is not straight in this direction")
        return
    if kind != "one class" or c.low != "0":
        raise Unproved("no such direction")

    def at_class(m: Monomial) -> Sum:  # the target and v are 1 in one class alone
        if not (has(m, c.y) or has(m, V)):
            return of(("sum", m))
        return {tuple(((*a[:2], "a"), n) for a, n in m if a[:2] not in (("of", c.y), ("of", V))): Fraction(1)}

    found = c.replaced(e, at_class)
    if len(found) != 1:
        raise Unproved("several terms")
    ((m, _),) = found.items()
    if len(m) != 1 or m[0][0] != ("of", c.f, "a") or m[0][1] >= 0:
        raise Unproved("nothing grows without bound")


def verdict(loss: Statement, claim: dict[str, Any], tree: Any) -> Any:
    """What the tree shows: True, False, or None (not decided)."""
    name, said = claim["property"], {k: claim[k] for k in ("value", "bound") if k in claim}
    if name not in CLAIMED:
        raise Unproved("no such claim about classes")
    if tree is None:
        return None
    calculus = Calculus(loss)
    if "evidence" in tree and name in ("strictly_convex", "smooth", "lipschitz"):
        refute(calculus, name, tree["evidence"])
        return False
    found: dict[str, str] = {}
    if name in ("convex", "strictly_convex"):
        convex(calculus, tree, name == "strictly_convex")
    elif name == "nonnegative":
        nonnegative(calculus, tree)
    else:
        found = {"bound": {"smooth": smooth, "lipschitz": lipschitz}[name](calculus, tree)}
    if said != found:
        raise Unproved(f"the certificate shows {found}")
    return True
