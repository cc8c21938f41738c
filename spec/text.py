"""How is a loss written without Python?

`parse` reads a formula such as `delta**2*(sqrt(1 + (r/delta)**2) - 1)` and
makes a `Loss` of it. The names say what each variable is: `r` is the residual
f - y, `m` the margin y*f, `f` a raw score, `z` a logit, `p` a probability and
`y` the target; every other name is a parameter and must be declared with its
domain. Text is never evaluated: `grammar` reads it, `formula` builds it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Literal

from sympy import Expr, Symbol

from .atoms import FUNCTIONS
from .domains import (
    REALS,
    Box,
    Domain,
    DomainError,
    OneHot,
    Simplex,
    contains,
    parse_domain,
    parse_number,
    scalar_symbol,
)
from .formula import CONSTANTS, build
from .grammar import Node, TextError, identifier_problem, nearest, read
from .model import Argument, Definition, Loss, Parameter, Role, SpecError

__all__ = ["Declared", "TextError", "parse", "parse_expression"]

# What may declare a parameter or an argument: a domain, or a table of its properties.
Declared = str | Mapping[str, Any]

# Where declarations are written, and so how an error shows them.
Form = Literal["python", "file", "shell"]
_PARAMETER = {
    "python": 'a parameter is declared with parameters={{"{name}": "(0, oo)"}}',
    "file": 'a parameter is declared below [parameters], as {name} = {{ domain = "(0, oo)" }}',
    "shell": 'a parameter is declared with -p "{name}=(0, oo)"',
}
_ARGUMENT = {
    "python": 'declare both: arguments={{"{name}": {{"role": "prediction", "domain": "(-oo, oo)"}}, …}}',
    "file": 'declare both below [arguments], such as {name} = {{ role = "prediction", domain = "(-oo, oo)" }}',
    "shell": "declare both in a loss file (see lossforge new)",
}

MAX_DECLARED = 100  # parameters and arguments of one loss
_LOSS_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
_DEFAULT = re.compile(r"\s*[+-]?\d{1,40}(?:\.\d{0,40})?(?:[eE][+-]?\d{1,3})?(?:\s*/\s*\d{1,40})?\s*")
_PREDICTIONS: dict[str, Domain] = {"f": REALS, "z": REALS, "p": parse_domain("[0, 1]")}
_UNIT, _SIGNS = parse_domain("[0, 1]"), parse_domain("{-1, 1}")
_ABBREVIATIONS = {"r": "the residual f - y", "m": "the margin y*f"}
_TAKEN = frozenset({"y", "f", *_ABBREVIATIONS})


def parse_expression(text: str, symbols: Mapping[str, Symbol]) -> Expr:
    """The expression that `text` says, in the given symbols; never evaluates text.

    Raises TextError, which shows the place, for whatever the grammar does not allow.
    """
    return build(read(text), text, symbols)


def parse(
    text: str,
    parameters: Mapping[str, Declared] | None = None,
    arguments: Mapping[str, Declared] | None = None,
    name: str = "custom",
    title: str = "",
    summary: str = "",
    *,
    family: str = "",
    references: Iterable[str] = (),
    remarks: Iterable[str] = (),
    equivalents: Iterable[str] = (),
    inverse_link: str | None = None,
    form: Form = "python",
) -> Loss:
    """Make a loss of a formula in text.

    `parameters` maps each parameter to its domain, `{"delta": "(0, oo)"}`, or to
    `{"domain": "(0, oo)", "default": 1}`. `arguments` overrides what the names of
    the variables say: `{"y": "[0, oo)"}` or
    `{"mu": {"role": "prediction", "domain": "(-oo, oo)"}}`. `form` is how errors write declarations.

    Raises TextError (the formula), DomainError (a domain), SpecError (the rest).
    """
    if not isinstance(name, str) or not _LOSS_NAME.fullmatch(name):
        raise SpecError(f"a loss's name is a lowercase letter, then up to 60 of a-z, 0-9 and _; got {_show(name)}")
    tree = read(text)
    used = {node.words[0]: node for node in reversed(list(tree.walk())) if node.kind == "name"}
    declared = _declared("parameter", parameters)
    for wish in declared:
        if wish in _TAKEN:
            raise SpecError(f"a parameter cannot be called {wish!r}: that is a variable of losses; choose another name")
    chosen = tuple(_parameter(wish, given) for wish, given in declared.items())
    roles = _Roles(used, frozenset(declared), _declared("argument", arguments), text, form)
    args, definitions = roles.arguments()
    symbols: dict[str, Expr] = {p.name: p.symbol for p in chosen}
    symbols |= {str(a.symbol): a.symbol for a in args} if not definitions else {}
    symbols |= {str(d.symbol): d.symbol for d in definitions}
    _refuse_unknown(used, symbols, text, form)

    expression = build(tree, text, symbols)
    everything = symbols | {a.name: a.symbol for a in args}
    link = parse_expression(inverse_link, everything) if inverse_link is not None else None
    _refuse_unused(expression, link, args, chosen, definitions, used)
    if link is not None and (more := link.free_symbols - _link_symbols(args, chosen)):
        raise SpecError(
            f"the inverse link maps the prediction to the mean; it cannot use {', '.join(sorted(map(str, more)))}"
        )
    base = {"r": "regression", "m": "binary"}.get(str(definitions[0].symbol) if definitions else "", "custom")
    return Loss(
        name=name,
        title=_line("title", title) or name.replace("_", " ").capitalize(),
        summary=_line("summary", summary),
        expression=expression,
        arguments=args,
        parameters=chosen,
        references=_lines("references", references),
        family=_line("family", family) or base,
        definitions=definitions,
        inverse_link=link,
        remarks=_lines("remarks", remarks),
        equivalents=_lines("equivalents", equivalents),
    )


class _Roles:
    """Which variable is the target and which the prediction."""

    def __init__(
        self,
        used: dict[str, Node],
        parameters: frozenset[str],
        declared: dict[str, Declared],
        source: str,
        form: Form,
    ) -> None:
        self.used = {n: node for n, node in used.items() if n not in parameters}
        self.declared = declared
        self.source = source
        self.form = form
        if both := sorted(parameters & declared.keys()):
            raise SpecError(f"{both[0]!r} is declared both as a parameter and as an argument; keep one of them")
        for base in sorted(_ABBREVIATIONS.keys() & declared.keys()):
            raise SpecError(f"{base} is {_ABBREVIATIONS[base]} and no argument; declare y and f, or another name")

    def arguments(self) -> tuple[tuple[Argument, ...], tuple[Definition, ...]]:
        for base in _ABBREVIATIONS:
            if base in self.used:
                return self.abbreviated(base)
        own = {n: d for n, d in self.declared.items() if not isinstance(d, str)}
        predictions = [n for n, d in own.items() if d.get("role") == "prediction"]
        if not predictions:
            predictions = [n for n in _PREDICTIONS if n in self.used and n not in own]
            if len(predictions) > 1:
                first, second = predictions[:2]
                wish = _ARGUMENT[self.form].format(name=second)
                problem = f"{first!r} and {second!r} are both predictions; use one, or {wish}"
                raise self.error(problem, second)
            if not predictions:
                raise SpecError(
                    "the formula has no prediction: use f (a raw score), z (a logit), p (a probability), "
                    "r = f - y or m = y*f, or declare one in arguments"
                )
        names = list(dict.fromkeys([*self.declared, *predictions]))
        if "y" in self.used and "y" not in names:
            names.insert(0, "y")
        elif "y" in names and "y" not in own:
            names = ["y", *(n for n in names if n != "y")]
        unit = any(n in ("z", "p") and n not in own for n in predictions)
        default: dict[str, tuple[Role, Domain]] = {"y": ("target", _UNIT if unit else REALS)}
        default |= {n: ("prediction", _PREDICTIONS[n]) for n in predictions if n in _PREDICTIONS}
        args = tuple(self.argument(n, default) for n in names)
        if not any(a.role == "target" for a in args):
            raise SpecError("the formula has no target: a loss compares the prediction with y; use y in it")
        return args, ()

    def abbreviated(self, base: str) -> tuple[tuple[Argument, ...], tuple[Definition, ...]]:
        """The loss of r or of m, which stand for y and f."""
        for other in ("r", "m", "y", "f", "z", "p"):
            if other != base and other in self.used:
                raise self.error(f"{base} is {_ABBREVIATIONS[base]}; it cannot be mixed with {other}", other)
        if extra := sorted(self.declared.keys() - {"y", "f"}):
            raise SpecError(f"a formula in {base} ({_ABBREVIATIONS[base]}) has the arguments y and f, not {extra[0]!r}")
        default: dict[str, tuple[Role, Domain]] = {
            "y": ("target", _SIGNS if base == "m" else REALS),
            "f": ("prediction", REALS),
        }
        y, f = (self.argument(n, default) for n in ("y", "f"))
        if (y.role, f.role) != ("target", "prediction"):
            raise SpecError(f"in a formula in {base}, y is the target and f the prediction")
        if base == "m" and y.domain != _SIGNS:
            raise SpecError(f"the margin m = y*f needs a target in {_SIGNS.text}, got {y.domain.text}")
        target, score = scalar_symbol("y", y.domain), scalar_symbol("f", f.domain)
        meaning = score - target if base == "r" else target * score
        order = (y, f) if list(self.declared) != ["f", "y"] else (f, y)
        return order, (Definition(Symbol(base, real=True), meaning),)

    def argument(self, name: str, default: dict[str, tuple[Role, Domain]]) -> Argument:
        given = self.declared.get(name)
        role, domain = default.get(name, (None, None))
        if isinstance(given, str):
            if role is None:
                raise SpecError(
                    f"the role of the argument {name!r} is not known; write "
                    f'{{"role": "target", "domain": {_show(given)}}} or with "prediction"'
                )
            domain = _scalar_domain(f"argument {name!r}", given)
        elif given is not None:
            _known_keys(f"argument {name!r}", given, ("role", "domain"))
            role = given.get("role", role)
            if role not in ("prediction", "target"):
                weights = "; weights are given to every loss as sample_weight" if role == "weight" else ""
                raise SpecError(f"the role of argument {name!r} is target or prediction, got {_show(role)}{weights}")
            domain = _scalar_domain(f"argument {name!r}", given.get("domain", (domain or REALS).text))
        assert role is not None and domain is not None
        return Argument(scalar_symbol(name, domain), role, domain)

    def error(self, problem: str, name: str) -> TextError:
        node = self.used[name]
        return TextError(problem, self.source, node.start, node.end)


def _declared(what: Literal["parameter", "argument"], given: Mapping[str, Declared] | None) -> dict[str, Declared]:
    """Names and declarations, the names normalised as in formulas."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise SpecError(f'expected {what}s such as {{"delta": "(0, oo)"}}, got {type(given).__name__}')
    if len(given) > MAX_DECLARED:
        raise SpecError(f"a loss has at most {MAX_DECLARED} {what}s, got {len(given)}")
    result: dict[str, Declared] = {}
    for key, value in given.items():
        name = unicodedata.normalize("NFKC", key) if isinstance(key, str) and len(key) < 1000 else ""
        problem = identifier_problem(name)
        if name in FUNCTIONS or name in CONSTANTS:
            problem = f"that is a {'function' if name in FUNCTIONS else 'constant'} of formulas"
        if problem:
            raise SpecError(f"{_show(key)} cannot name a {what}: {problem}; choose another name")
        if name in result:
            raise SpecError(f"the {what} {name!r} is declared twice")
        if not isinstance(value, str | Mapping):
            raise SpecError(f'expected a domain such as "(0, oo)" for the {what} {name!r}, got {_show(value)}')
        result[name] = value
    return result


def _parameter(name: str, given: Declared) -> Parameter:
    what = f"parameter {name!r}"
    if isinstance(given, str):
        given = {"domain": given}
    _known_keys(what, given, ("domain", "default"))
    if "domain" not in given:
        raise SpecError(f'the {what} has no domain; write {{"domain": "(0, oo)"}}')
    domain = _scalar_domain(what, given["domain"])
    default = _number(what, given["default"]) if given.get("default") is not None else None
    if default is not None and not contains(domain, default):
        raise SpecError(f"the default {default} of the {what} does not lie in its domain {domain.text}")
    return Parameter(scalar_symbol(name, domain), domain, default)


def _scalar_domain(what: str, given: Any) -> Domain:
    if not isinstance(given, str):
        raise SpecError(f'the domain of the {what} is text such as "(0, oo)", got {_show(given)}')
    try:
        domain = parse_domain(given)
    except DomainError as error:
        raise DomainError(f"{what}: {error}") from None
    if isinstance(domain, Box | Simplex | OneHot):
        raise SpecError(f"the {what} is a vector ({domain.text}); losses of vectors are declared in Python, with @loss")
    return domain


def _number(what: str, given: Any) -> Expr:
    """An exact number from what Python or TOML gives; a float is what it prints as."""
    shown = f"{given!r}" if isinstance(given, float) else str(given) if _is_small(given) else given
    if not isinstance(shown, str) or not _DEFAULT.fullmatch(shown):
        raise SpecError(f'the default of the {what} is a number such as 1, 0.5 or "1/3", got {_show(given)}')
    return parse_number(shown.replace(" ", ""))


def _is_small(given: Any) -> bool:
    return isinstance(given, int | Fraction) and not isinstance(given, bool) and bool(-(10**40) < given < 10**40)


def _known_keys(what: str, given: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in given:
        if key not in keys:
            hint = nearest(key, keys) if isinstance(key, str) else ""
            raise SpecError(f"the {what} has no property {_show(key)}{hint}; it has {' and '.join(keys)}")


def _refuse_unknown(used: dict[str, Node], symbols: Mapping[str, Expr], text: str, form: Form) -> None:
    for name, node in sorted(used.items(), key=lambda item: item[1].start):
        if name not in symbols and name not in CONSTANTS and name not in FUNCTIONS:
            hint = nearest(name, {*symbols, *CONSTANTS})
            declare = _PARAMETER[form].format(name=name)
            advice = f"{hint} {declare[0].upper()}{declare[1:]}" if hint else f"; {declare}"
            raise TextError(f"unknown name {name!r}{advice}", text, node.start, node.end)


def _link_symbols(args: tuple[Argument, ...], chosen: tuple[Parameter, ...]) -> set[Expr]:
    return {a.symbol for a in args if a.role == "prediction"} | {p.symbol for p in chosen}


def _refuse_unused(
    expression: Expr,
    link: Expr | None,
    args: tuple[Argument, ...],
    chosen: tuple[Parameter, ...],
    definitions: tuple[Definition, ...],
    used: dict[str, Node],
) -> None:
    """What is declared must matter."""
    for parameter in chosen:
        if parameter.name not in used and (link is None or parameter.symbol not in link.free_symbols):
            undeclared = {n for n in used if n not in CONSTANTS and n not in {p.name for p in chosen}}
            hint = nearest(parameter.name, undeclared)
            raise SpecError(f"the parameter {parameter.name!r} is not used in the formula{hint}")
    present = expression.free_symbols | (link.free_symbols if link is not None else set())
    needed: list[Any] = [d.symbol for d in definitions] or [a.symbol for a in args]
    for symbol in (*needed, *(p.symbol for p in chosen)):
        if symbol not in present:
            how = "cancels out of" if str(symbol) in used else "is not used in"
            raise SpecError(f"{str(symbol)!r} {how} the formula, which is then {_show(str(expression))}")


def _line(what: str, given: Any) -> str:
    """One line of prose for people; no characters that could reorder or hide text."""
    if not isinstance(given, str) or len(given) > 2000:
        raise SpecError(f"{what} is text of at most 2000 characters, got {_show(given)}")
    line = " ".join(given.split())
    if hidden := next((c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn")), None):
        raise SpecError(f"{what} contains the invisible or control character U+{ord(hidden):04X}; remove it")
    return line


def _lines(what: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SpecError(f"{what} is a list of texts, got {_show(given)}")
    return tuple(_line(what, line) for line in given)


def _show(given: Any) -> str:
    """A short quotation of any value, safe to print."""
    if isinstance(given, str):
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in given[:100])
        return f"'{shown}{'…' if len(given) > 100 else ''}'"
    if given is None or isinstance(given, bool | float) or _is_small(given):
        return str(given)
    return f"a value of type {type(given).__name__}"
