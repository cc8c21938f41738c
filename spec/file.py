"""How is a loss kept in a file?

A TOML file holds the formula as text and the declarations around it; `load`
reads it, `dumps` writes the canonical form of a loss, and `template` is the
commented file from which an author starts. A mistake is answered with the file
and the place.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from textwrap import fill

from sympy import Expr, Integer, Rational

from .atoms import FUNCTIONS
from .domains import DomainError
from .grammar import nearest
from .model import Loss, SpecError
from .notation import text
from .text import parse

MAX_BYTES = 100_000
MAX_DOTS = 500  # on one line; tomllib takes quadratic time for a key of many dots
_TEXTS = ("name", "title", "summary", "expression", "family", "inverse_link")
_LISTS = ("references", "remarks", "equivalents")
_TABLES = ("parameters", "arguments")
_KINDS: dict[str, tuple[type, str]] = (
    dict.fromkeys(_TEXTS, (str, 'text in quotes, such as "huber"'))
    | dict.fromkeys(_LISTS, (list, 'a list of texts, such as ["Huber (1964)"]'))
    | dict.fromkeys(_TABLES, (dict, 'a table, such as delta = { domain = "(0, oo)", default = 1 }'))
)
_AT_LINE = re.compile(r"at line (\d+)")


def load(path: str | Path) -> Loss:
    """The loss that a TOML file declares.

    Raises SpecError (TextError for the formula, DomainError for a domain) with the
    name of the file, and OSError when the file cannot be opened.
    """
    with Path(path).open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    try:
        return loads(content.decode("utf-8"), str(path)) if len(content) <= MAX_BYTES else _too_large(str(path))
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: a loss file is UTF-8 text; byte {error.start} is not") from None


def loads(content: str, origin: str = "<text>") -> Loss:
    """The loss that TOML text declares; `origin` names it in errors."""
    if len(content) > MAX_BYTES:
        return _too_large(origin)
    for number, line in enumerate(content.splitlines(), 1):
        if line.count(".") > MAX_DOTS:
            raise SpecError(f"{origin}: line {number} has more than {MAX_DOTS} dots; break it into several")
    try:
        table = tomllib.loads(content)
    except RecursionError:
        raise SpecError(f"{origin}: not a loss file: its values are nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, and an integer of thousands of digits
        raise SpecError(_syntax(str(error), content, origin)) from None
    for key, value in table.items():
        if key not in _KINDS:
            keys = ", ".join(_KINDS)
            raise SpecError(f"{origin}: unknown key {key[:80]!r}{nearest(key, _KINDS)} (a loss file has {keys})")
        kind, wanted = _KINDS[key]
        if not isinstance(value, kind):
            raise SpecError(f"{origin}: {key} is {wanted}; got {type(value).__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise SpecError(f"{origin}: {key} is {wanted}")
    for key, example in (("name", "my_loss"), ("expression", "r**2/2")):
        if key not in table:
            raise SpecError(f'{origin}: the key {key} is missing; add {key} = "{example}"')
    formula = table.pop("expression")
    try:
        return parse(formula, **table, form="file")
    except SpecError as error:
        raise _within(error, origin) from None
    except DomainError as error:
        raise DomainError(f"{origin}: {error}") from None


def _within(error: SpecError, origin: str) -> SpecError:
    """The same error, with the file in front of its message."""
    error.args = (f"{origin}: {error}",)
    return error


def _too_large(origin: str) -> Loss:
    raise SpecError(f"{origin}: a loss file has at most {MAX_BYTES} bytes")


def _syntax(problem: str, content: str, origin: str) -> str:
    message = f"{origin}: not TOML: {problem[:300]}"
    if match := _AT_LINE.search(problem):
        lines = content.splitlines()
        line = lines[int(match[1]) - 1] if int(match[1]) <= len(lines) else ""
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line[:96])
        message += f"\n  {shown}"
    return message


def dumps(loss: Loss) -> str:
    """The canonical file of a loss of scalars; `loads` reads it back to an equal loss."""
    if loss.size is not None:
        raise SpecError(f"{loss.name} is a loss of vectors, which a file cannot hold; declare it in Python, with @loss")
    if loss.definitions and loss.base is None:
        raise SpecError(f"{loss.name} uses abbreviations that a file cannot hold; put them into the formula")
    entries: list[tuple[str, str]] = [
        ("name", loss.name),
        ("title", loss.title),
        ("summary", loss.summary),
        ("family", loss.family),
        ("expression", text(loss.expression)),
    ]
    if loss.inverse_link is not None:
        entries.append(("inverse_link", text(loss.inverse_link)))
    lines = [f"{key} = {_quote(value)}" for key, value in entries]
    for key in _LISTS:
        if items := getattr(loss, key):
            lines += [f"{key} = [", *(f"    {_quote(item)}," for item in items), "]"]
    if loss.parameters:
        lines += ["", "[parameters]"]
        for p in loss.parameters:
            default = f", default = {_default(p.default)}" if p.default is not None else ""
            lines.append(f"{_key(p.name)} = {{ domain = {_quote(p.domain.text)}{default} }}")
    lines += ["", "[arguments]"]
    for a in loss.arguments:
        lines.append(f"{_key(a.name)} = {{ role = {_quote(a.role)}, domain = {_quote(a.domain.text)} }}")
    return "\n".join(lines) + "\n"


def _quote(value: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in value) + '"'


def _key(name: str) -> str:
    return name if name.isascii() else _quote(name)


def _default(value: Expr) -> str:
    """An integer as it is, a short decimal as such, any other fraction in quotes."""
    if isinstance(value, Integer) and abs(value) < 2**63:
        return str(value)
    if isinstance(value, Rational) and Rational(repr(float(value))) == value and "e" not in repr(float(value)):
        return repr(float(value))
    return _quote(str(value))


_TEMPLATE = """\
# A loss for lossforge.
#   lossforge show NAME.toml      the formula, its derivatives and properties
#   lossforge check NAME.toml     is the generated code right?

# Lowercase letters, digits and underscores.
name = "NAME"
title = "TITLE"
summary = "Quadratic near zero, linear in the tails."

# The formula. Its variables:
#   r = f - y   the residual            m = y*f   the margin, with y in {-1, 1}
#   y           the target              f         the prediction, a raw score
#   z           a logit (prediction)    p         a probability (prediction)
# + - * / **, comparisons, and, or, not, A if C else B, pi, e, and the functions
FUNCTIONS
expression = "r**2/2 if abs(r) <= delta else delta*(abs(r) - delta/2)"

# From the prediction to the mean; leave it out for the identity.
# inverse_link = "exp(f)"
# references = ["Author (year), Title."]
# remarks = ["What a reader should know."]

# Every other name is a parameter: its domain, and its default if it has one.
# Domains: "(0, oo)", "[0, 1]", "{1, 2}", "integers [0, oo)".
[parameters]
delta = { domain = "(0, oo)", default = 1 }

# Only where the names do not say it all.
# [arguments]
# y = { role = "target", domain = "[0, oo)" }
"""


def template(name: str) -> str:
    """The commented file that `lossforge new` writes; it loads as it is.

    Raises SpecError when `name` cannot name a loss.
    """
    functions = fill(", ".join(sorted(FUNCTIONS)) + ".", 78, initial_indent="#   ", subsequent_indent="#   ")
    content = _TEMPLATE.replace("FUNCTIONS", functions)
    parse("r**2", name=name)
    return content.replace("TITLE", name.replace("_", " ").capitalize()).replace("NAME", name)
