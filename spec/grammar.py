"""What does a formula in text say?

`read` turns text into a tree of `Node`s and never evaluates anything: a lexer
that knows a few signs, and a parser that climbs precedences. The language is
that of Python expressions, cut down to arithmetic, comparisons, `and`, `or`,
`not`, `A if C else B` and calls of functions by name. Everything else is
answered with a `TextError` that points at the place.
"""

from __future__ import annotations

import difflib
import keyword
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from .model import SpecError

# Far above what any loss in the catalogue needs, far below what hurts.
MAX_LENGTH = 10_000
MAX_DEPTH = 60
MAX_NODES = 2_000
MAX_DIGITS = 40
MAX_NAME = 60
MAX_DECIMAL_EXPONENT = 300
_WINDOW = 96  # characters of the source line that an error shows


class TextError(SpecError):
    """A formula in text cannot be read; `line` and `column` count from 1."""

    def __init__(self, problem: str, source: str, start: int, end: int) -> None:
        self.problem = problem
        self.source = source
        self.span = (start, end)
        self.line = source.count("\n", 0, start) + 1
        first = source.rfind("\n", 0, start) + 1
        self.column = start - first + 1
        last = source.find("\n", start)
        line = source[first : last if last >= 0 else len(source)]
        at, width = start - first, max(1, min(end, first + len(line)) - start)
        left = max(0, at - _WINDOW // 2) if len(line) > _WINDOW else 0
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line[left : left + _WINDOW])
        before, after = "…" * (left > 0), "…" * (len(line) > left + _WINDOW)
        carets = " " * (at - left + len(before)) + "^" * min(width, max(1, left + _WINDOW - at))
        where = f"line {self.line}, column {self.column}"
        super().__init__(f"{where}: {problem}\n  {before}{shown}{after}\n  {carets}")

    def __reduce__(self) -> tuple[type[TextError], tuple[str, str, int, int]]:
        return TextError, (self.problem, self.source, *self.span)


def nearest(name: str, known: Iterable[str]) -> str:
    """The sentence `did you mean …?` with a leading separator, or nothing."""
    close = difflib.get_close_matches(name[:MAX_NAME], sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def identifier_problem(name: str) -> str | None:
    """Why `name` cannot name a variable; None when it can."""
    if not name or len(name) > MAX_NAME:
        return f"a name has 1 to {MAX_NAME} characters"
    if not name.isidentifier() or name.startswith("_"):
        return "a name is a letter followed by letters, digits and underscores"
    if keyword.iskeyword(name):
        return f"{name!r} is a word of the language"
    return None


Kind = Literal["number", "name", "call", "negative", "sum", "product", "power", "compare", "and", "or", "not", "if"]


@dataclass(frozen=True, slots=True)
class Node:
    """One construct of the formula.

    `words` are the number, the name, or the signs between the children: `+` and
    `-` before each term of a sum, `*` and `/` before each factor of a product,
    the comparison signs. An `if` lists value, condition, value, … , otherwise.
    """

    kind: Kind
    start: int
    end: int
    words: tuple[str, ...] = ()
    children: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        """Every node after its children, without recursion."""
        order, stack = [], [self]
        while stack:
            node = stack.pop()
            order.append(node)
            stack.extend(node.children)
        return reversed(order)


@dataclass(frozen=True, slots=True)
class Token:
    kind: Literal["number", "name", "sign", "end"]
    text: str
    start: int
    end: int


_SIGNS = ("**", "<=", ">=", "==", "!=", "+", "-", "*", "/", "(", ")", ",", "<", ">")
_WORDS = frozenset({"if", "else", "and", "or", "not"})
_DIGITS = frozenset("0123456789")
# What people write by habit, and what they mean; longest first.
_HABITS = {
    "//": "write / for division; there is no //",
    ":=": "a formula assigns nothing; there is no :=",
    "^": "powers are written with **: x**2",
    "=": "equality is written ==; a formula assigns nothing",
    "!": "write not; != compares",
    "&": "write and",
    "|": "write abs(x) for an absolute value, or for a disjunction",
    "~": "write not",
    "%": "there is no remainder in formulas",
    "@": "there is no @ in formulas",
    "[": "there is no indexing and there are no lists; group with ( )",
    "]": "there is no indexing and there are no lists; group with ( )",
    "{": "there are no sets or dictionaries; group with ( )",
    "}": "there are no sets or dictionaries; group with ( )",
    ".": "there are no attributes; a decimal number is written 0.5",
    ";": "a text holds one formula",
    ":": "there is no : in formulas",
    "#": "there are no comments in formulas",
    "'": "there are no strings in formulas",
    '"': "there are no strings in formulas",
    "`": "there are no strings in formulas",
    "\\": "a formula may be broken across lines without \\",
    "−": "write - (the minus sign of the keyboard)",
    "×": "write *",
    "·": "write *",
    "÷": "write /",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
    "²": "write **2",
    "³": "write **3",
    "√": "write sqrt(x)",
}


def _scan(source: str) -> Iterator[Token]:
    at, size = 0, len(source)
    while at < size:
        c, start = source[at], at
        if c in " \t\n\r":
            at += 1
        elif c in _DIGITS or (c == "." and source[at + 1 : at + 2] in _DIGITS and at + 1 < size):
            at = _number_end(source, at)
            yield Token("number", source[start:at], start, at)
        elif c.isidentifier():
            while at < size and ("a" + source[at]).isidentifier():
                at += 1
            # Python compares names after this normalisation; so do we.
            name = unicodedata.normalize("NFKC", source[start:at])
            if len(name) > MAX_NAME:
                raise TextError(f"a name has at most {MAX_NAME} characters, got {len(name)}", source, start, at)
            if name in _WORDS:
                yield Token("sign", name, start, at)
            elif problem := identifier_problem(name):
                raise TextError(f"{name!r} cannot be used in a formula: {problem}", source, start, at)
            else:
                yield Token("name", name, start, at)
        else:
            habit = next((h for h in _HABITS if source.startswith(h, at)), None)
            sign = next((s for s in _SIGNS if source.startswith(s, at)), None)
            if habit is not None and (sign is None or len(habit) > len(sign)):
                raise TextError(f"unexpected {habit!r}: {_HABITS[habit]}", source, at, at + len(habit))
            if sign is None:
                raise TextError(_strange(c), source, at, at + 1)
            at += len(sign)
            yield Token("sign", sign, start, at)
    yield Token("end", "", size, size)


def _strange(c: str) -> str:
    name = f"U+{ord(c):04X} ({unicodedata.name(c, 'no name')})"
    if c.isprintable():
        return f"the character {c!r}, {name}, has no meaning in a formula"
    return f"the invisible or control character {name} is not allowed; remove it"


def _number_end(source: str, start: int) -> int:
    """Where the number ends; limits are checked before it is converted."""

    def digits(at: int) -> int:
        while at < len(source) and source[at] in _DIGITS:
            at += 1
        return at

    at = digits(start)
    if source[at : at + 1] == ".":
        at = digits(at + 1)
    mantissa = at
    if source[at : at + 1] in ("e", "E"):
        signed = at + 2 if source[at + 1 : at + 2] in ("+", "-") else at + 1
        if (end := digits(signed)) > signed:
            at = end
            exponent = source[signed:end].lstrip("0")
            if len(exponent) > 3 or int(exponent or "0") > MAX_DECIMAL_EXPONENT:
                limit = f"a number's exponent is at most {MAX_DECIMAL_EXPONENT}"
                raise TextError(f"{limit}; got {_shorten(source[start:at])}", source, start, at)
    if (count := sum(c in _DIGITS for c in source[start:mantissa])) > MAX_DIGITS:
        raise TextError(f"a number has at most {MAX_DIGITS} digits, got {count}", source, start, mantissa)
    if at < len(source) and ("a" + source[at]).isidentifier():
        end = at
        while end < len(source) and ("a" + source[end]).isidentifier():
            end += 1
        number, rest = source[start:at], _shorten(source[at:end])
        hint = f"write {number}*{rest} for a product" if source[at].isidentifier() else "digits are 0 to 9"
        raise TextError(f"a number cannot be followed by {rest!r}; {hint}", source, start, end)
    return at


def _shorten(text: str) -> str:
    return text if len(text) <= 24 else text[:20] + "…"


_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
# Each level binds tighter than the one before; a level's signs, by its number.
_IF, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _NEGATIVE = range(8)


class _Parser:
    """Precedence climbing: two Python frames a level of nesting."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = list(_scan(source))
        self.at = 0
        self.depth = 0
        self.nodes = 0

    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self, *signs: str) -> Token | None:
        token = self.peek()
        if token.kind == "sign" and token.text in signs:
            self.at += 1
            return token
        return None

    def fail(self, expected: str) -> TextError:
        token = self.peek()
        got = {"end": "the end of the formula", "sign": repr(token.text)}.get(token.kind, f"{token.kind} {token.text}")
        hint = ""
        if token.text == "," and token.kind == "sign":
            hint = "; commas stand only between the arguments of a function"
        return TextError(f"expected {expected}, got {got}{hint}", self.source, token.start, token.end)

    def node(self, kind: Kind, start: int, words: Iterable[str] = (), children: Iterable[Node] = ()) -> Node:
        self.nodes += 1
        end = self.tokens[self.at - 1].end
        if self.nodes > MAX_NODES:
            raise TextError(f"a formula has at most {MAX_NODES} parts", self.source, start, end)
        return Node(kind, start, end, tuple(words), tuple(children))

    def parse(self) -> Node:
        if self.peek().kind == "end":
            raise TextError("the formula is empty; expected one such as r**2/2", self.source, 0, 0)
        tree = self.expression(_IF)
        if self.peek().kind != "end":
            more = self.peek().text == "("
            raise self.fail("* before (" if more else "an operator or the end of the formula")
        return tree

    def expression(self, level: int) -> Node:
        """Everything that binds at least as tightly as `level`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            token = self.peek()
            raise TextError(f"nested more than {MAX_DEPTH} deep", self.source, token.start, token.end)
        start = self.peek().start  # of a parenthesis, where there is one
        left = self.prefix()
        if self.take("**") is not None:
            left = self.node("power", start, ("**",), (left, self.expression(_NEGATIVE)))
        if level <= _PRODUCT:
            left = self.chain("product", start, left, ("*", "/"), _NEGATIVE)
        if level <= _SUM:
            left = self.chain("sum", start, left, ("+", "-"), _PRODUCT)
        if level <= _COMPARE:
            left = self.chain("compare", start, left, _COMPARISONS, _SUM)
        if level <= _AND:
            left = self.chain("and", start, left, ("and",), _NOT)
        if level <= _OR:
            left = self.chain("or", start, left, ("or",), _AND)
        if level <= _IF:
            parts = [left]
            while self.take("if") is not None:
                parts.append(self.expression(_OR))
                if self.take("else") is None:
                    raise self.fail("else (a formula has a value everywhere: A if C else B)")
                parts.append(self.expression(_OR))
            if len(parts) > 1:
                left = self.node("if", start, (), parts)
        self.depth -= 1
        return left

    def chain(self, kind: Kind, start: int, left: Node, signs: tuple[str, ...], level: int) -> Node:
        children, words = [left], [signs[0]]
        while (sign := self.take(*signs)) is not None:
            words.append(sign.text)
            children.append(self.expression(level))
        return left if len(children) == 1 else self.node(kind, start, words, children)

    def prefix(self) -> Node:
        """A number, a name, a call, a parenthesis, or what follows - or not."""
        token = self.peek()
        start = token.start
        if self.take("-", "+") is not None:
            child = self.expression(_NEGATIVE)
            return child if token.text == "+" else self.node("negative", start, (), (child,))
        if self.take("not") is not None:
            return self.node("not", start, (), (self.expression(_COMPARE),))
        if self.take("(") is not None:
            inner = self.expression(_IF)
            self.close(token)
            return replace(inner, start=start, end=self.tokens[self.at - 1].end)
        if token.kind not in ("number", "name"):
            raise self.fail("a number, a name or (")
        self.at += 1
        if token.kind == "number":
            return self.node("number", start, (token.text,))
        opening = self.take("(")
        if opening is None:
            return self.node("name", start, (token.text,))
        arguments: list[Node] = []
        while not (arguments == [] and self.peek().text == ")"):
            arguments.append(self.expression(_IF))
            if self.take(",") is None:
                break
        self.close(opening)
        return self.node("call", start, (token.text,), arguments)

    def close(self, opening: Token) -> None:
        if self.take(")") is None:
            if self.peek().kind == "end":
                raise TextError("this ( is never closed; expected )", self.source, opening.start, opening.end)
            raise self.fail("an operator or )")


def read(source: str) -> Node:
    """The tree of a formula in text. Raises TextError; evaluates nothing."""
    if not isinstance(source, str):
        raise SpecError(f"a formula is text such as 'r**2/2', got {type(source).__name__}")
    if len(source) > MAX_LENGTH:
        raise SpecError(f"a formula has at most {MAX_LENGTH} characters, got {len(source)}")
    return _Parser(source).parse()
