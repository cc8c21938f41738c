"""Is text read as it says, and refused with the place where it does not?"""

from __future__ import annotations

import contextlib
import gc
import pickle
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hostile_corpus import FILES, TEXTS
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sympy import Abs, E, Eq, Expr, Max, Ne, Piecewise, Rational, Symbol, exp, log, pi, sqrt

from lossforge.spec import grammar
from lossforge.spec.atoms import FUNCTIONS, sigmoid, softplus, xlogy
from lossforge.spec.domains import REALS, DomainError, FiniteSet, parse_domain, scalar_symbol
from lossforge.spec.file import dumps, load, loads, template
from lossforge.spec.model import Argument, Definition, SpecError
from lossforge.spec.text import TextError, parse, parse_expression

r, y, f, z, p = (Symbol(name, real=True) for name in "ryfzp")
delta = Symbol("delta", positive=True)
SYMBOLS = {"r": r, "y": y, "f": f, "z": z, "p": p, "delta": delta}

MEANINGS: list[tuple[str, Expr]] = [
    ("1/2", Rational(1, 2)),
    ("0.1", Rational(1, 10)),
    ("1e-3*r", r / 1000),
    (".5 + 3.", Rational(7, 2)),
    ("-r**2", -(r**2)),
    ("(-r)**3", -(r**3)),
    ("2**-r", 2**-r),
    ("r**y**2", r ** (y**2)),
    ("r - y - f", r - y - f),
    ("r/y/f", r / y / f),
    ("r/(y/f)", r * f / y),
    ("-r*-y", r * y),
    ("+r", r),
    ("e**r + pi*e", exp(r) + pi * E),
    ("abs(r)**(3/2)", Abs(r) ** Rational(3, 2)),
    ("max(0, 1 - r, -r)", Max(0, 1 - r, -r)),
    ("sqrt(1 + r**2) - 1", sqrt(1 + r**2) - 1),
    ("log(4*exp(r)/(1 + exp(r))**2)", log(4 * exp(r) / (1 + exp(r)) ** 2)),
    ("softplus(z) - y*z", softplus(z) - y * z),
    ("sigmoid(-z)", sigmoid(-z)),
    ("-xlogy(y, p)", -xlogy(y, p)),
    ("r if r > 0 else -r", Piecewise((r, r > 0), (-r, True))),
    ("r if 0 < r <= 1 else 2*r if r == y else 3", Piecewise((r, (r > 0) & (r <= 1)), (2 * r, Eq(r, y)), (3, True))),
    ("r if not r == 0 else 1", Piecewise((r, Ne(r, 0)), (1, True))),
    ("r if r < 0 or r > 1 and y > 0 else 1", Piecewise((r, (r < 0) | ((r > 1) & (y > 0))), (1, True))),
    ("r if not (r < 0 or y < 0) else 1", Piecewise((r, ~((r < 0) | (y < 0))), (1, True))),
    ("(r if r > 0 else 1)*2", 2 * Piecewise((r, r > 0), (1, True))),
    ("r\n  + y\t- 1", r + y - 1),
    ("\N{FULLWIDTH LATIN SMALL LETTER R}", r),
]


@pytest.mark.parametrize(("source", "meaning"), MEANINGS)
def test_meaning(source: str, meaning: Expr) -> None:
    assert parse_expression(source, SYMBOLS) == meaning


def test_the_authors_fraction_is_kept() -> None:
    assert str(parse_expression("r**2/(2*(delta**2 + r**2))", SYMBOLS)) == "r**2/(2*(delta**2 + r**2))"


REFUSED = """
r + sofplus(r) | 1:5 | unknown function 'sofplus'; did you mean 'softplus'? | ^^^^^^^
r.diff(r) | 1:2 | unexpected '.' | ^
r + | 1:4 | expected a number, a name or (, got the end of the formula | ^
2r + 1 | 1:1 | write 2*r | ^^
r ^ 2 | 1:3 | powers are written with ** | ^
(r + 1 | 1:1 | this ( is never closed | ^
r + 1) | 1:6 | expected an operator or the end of the formula, got ')' | ^
r*dleta | 1:3 | unknown name 'dleta'; did you mean 'delta'? A parameter is declared with | ^^^^^
r + log(-1) | 1:5 | log(-1) is not a real number | ^^^^^^^
r + 9**9**9**9 | 1:8 | a number in an exponent is at most 1000 | ^^^^^^^
r + focal_term(1, 1e20, pi) | 1:5 | a number in an exponent is at most 1000 | ^^^^^^^^^^^^^^^^^^^^^^^
r/(1 - 1) | 1:3 | division by zero | ^^^^^^^
r + (r < 1) | 1:5 | expected a number, got a condition | ^^^^^^^
r if r + 1 else 0 | 1:6 | expected a condition such as r > 0, got a number | ^^^^^
exp(r, 1) | 1:1 | exp takes 1 argument, got 2 | ^^^^^^^^^
max(r) | 1:1 | max takes 2 to 24 arguments, got 1 | ^^^^^^
exp + r | 1:1 | exp is a function; write exp(x) | ^^^
lambda r: r | 1:1 | 'lambda' is a word of the language | ^^^^^^
r + 1e999999 | 1:5 | exponent is at most 300 | ^^^^^^^^
r if (r if r > 0 else 1) > 2 else 0 | 1:6 | a comparison cannot contain an if | ^^^^^^^^^^^^^^^^^^^
r > 1 if r > 0 else r < 2 | 1:1 | expected a number, got a condition | ^^^^^
r if r > 0 | 1:11 | expected else | ^
pow(r, 2) | 1:1 | did you mean '**'? | ^^^
"""


@pytest.mark.parametrize("row", [row for row in REFUSED.splitlines() if row])
def test_place_of_an_error(row: str) -> None:
    source, place, message, carets = row.split(" | ")
    with pytest.raises(TextError) as caught:
        parse(source, parameters={"delta": "(0, oo)"} if "delta" in message else None)
    error = caught.value
    first, shown, marked = str(error).split("\n")
    assert f"{error.line}:{error.column}" == place
    assert message in first
    assert shown == f"  {source}"
    assert marked == "  " + " " * (error.column - 1) + carets


def test_error_in_a_later_line_and_in_a_long_line() -> None:
    with pytest.raises(TextError) as caught:
        parse("r +\n  r +\n  epx(r)")
    assert str(caught.value) == "line 3, column 3: unknown function 'epx'; did you mean 'exp'?\n    epx(r)\n    ^^^"
    with pytest.raises(TextError) as caught:
        parse("r + " * 500 + "epx(r)" + " + r" * 500)
    _, shown, marked = str(caught.value).split("\n")
    assert caught.value.column == 2001
    assert len(shown) < 110
    assert shown[marked.index("^") : marked.rindex("^") + 1] == "epx"


def test_errors_survive_pickling() -> None:
    with pytest.raises(TextError) as caught:
        parse("r +")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.column) == (str(caught.value), 4)


@contextlib.contextmanager
def within_a_second() -> Iterator[None]:
    """The work of the block takes less than a second of this thread.

    Neither other threads count nor a collection of the garbage that the tests before have left, which alone takes
    more than a second after some thousand of them.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        start = time.thread_time()
        yield
        assert time.thread_time() - start < 1
    finally:
        if collects:
            gc.enable()


@pytest.mark.parametrize("source", TEXTS, ids=lambda t: ascii(t)[:40])
def test_hostile_text_is_refused_at_once(source: str) -> None:
    with within_a_second(), pytest.raises((SpecError, DomainError)) as caught:
        parse(source)
    message = str(caught.value)
    assert len(message) < 2_500
    assert all(c.isprintable() or c == "\n" for c in message)


@pytest.mark.parametrize("content", FILES, ids=lambda t: ascii(t)[-60:])
def test_hostile_file_is_refused_at_once(content: str) -> None:
    with within_a_second(), pytest.raises((SpecError, DomainError), match=r"loss\.toml"):
        loads(content, "loss.toml")


def test_limits_can_be_reached() -> None:
    """The limits refuse no more than they say."""
    assert parse_expression("(" * 59 + "r" + ")" * 59, SYMBOLS) == r
    assert parse_expression("+".join(["r"] * 999), SYMBOLS) == 999 * r
    assert parse_expression("1" * 40, SYMBOLS) == int("1" * 40)
    assert parse_expression("1e300*r", SYMBOLS) == 10**300 * r
    assert parse_expression("r**1000", SYMBOLS) == r**1000


def test_nothing_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    import sympy

    def alarm(*_: object, **__: object) -> None:
        raise AssertionError("text was evaluated")

    for module, name in ((builtins, "eval"), (builtins, "exec"), (builtins, "compile"), (sympy, "sympify")):
        monkeypatch.setattr(module, name, alarm)
    assert parse("max(0, 1 - m)").base == "margin"
    with pytest.raises(TextError):
        parse("__import__('os').system('x')")


TOKENS = st.sampled_from(
    [*FUNCTIONS, *SYMBOLS, *"+-*/(),<>=.[]{}'\"^|&!:;#\\%@~ \n", "**", "<=", ">=", "==", "!=", "if", "else", "and",
     "or", "not", "1", "2", "0", "0.5", "1e3", "1e300", "9" * 40, "e", "pi", "lambda", "_", "\x00", "\u202e",
     "\u03b4", "\u00b2", "\ud800", " if ", " else ", "(", ")", "(", ")"]
)  # fmt: skip


@settings(max_examples=600, deadline=5_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.lists(TOKENS, max_size=25).map("".join), st.lists(TOKENS, max_size=25).map(" ".join), st.text()))
@example("(delta if (delta - r) <= (y - delta) or abs(1) == (e + f) else r)")
@example("max(softplus(0.1), r)")
def test_any_text_is_read_or_refused(source: str) -> None:
    for reader in (lambda: parse_expression(source, SYMBOLS), lambda: parse(source)):
        try:
            reader()
        except (SpecError, DomainError) as error:
            str(error).encode()


# Declarations ---------------------------------------------------------------------------------------------------------


def test_residual() -> None:
    loss = parse("r**2/2", name="half", title=" Half  square ")
    assert loss.arguments == (Argument(y, "target", REALS), Argument(f, "prediction", REALS))
    assert loss.definitions == (Definition(r, f - y),)
    assert (loss.family, loss.title, loss.full_expression) == ("regression", "Half square", (f - y) ** 2 / 2)


def test_margin() -> None:
    loss = parse("log(1 + exp(-m))")
    sign = scalar_symbol("y", parse_domain("{-1, 1}"))
    assert loss.arguments[0] == Argument(sign, "target", FiniteSet((-1, 1)))
    assert loss.definitions == (Definition(Symbol("m", real=True), sign * f),)
    assert loss.family == "binary"


@pytest.mark.parametrize(
    ("source", "name", "domain", "target"),
    [
        ("(f - y)**2", "f", "(-oo, oo)", "(-oo, oo)"),
        ("softplus(z) - y*z", "z", "(-oo, oo)", "[0, 1]"),
        ("-xlogy(y, p) - xlogy(1 - y, 1 - p)", "p", "[0, 1]", "[0, 1]"),
    ],
)
def test_prediction_by_name(source: str, name: str, domain: str, target: str) -> None:
    loss = parse(source)
    assert [(a.name, a.role, a.domain.text) for a in loss.arguments] == [
        ("y", "target", target),
        (name, "prediction", domain),
    ]


def test_arguments_override() -> None:
    assert parse("exp(f) - y*f", arguments={"y": "[0, oo)"}).arguments[0].domain == parse_domain("[0, oo)")
    assert parse("r**2", arguments={"y": "[0, oo)"}).arguments[0].domain == parse_domain("[0, oo)")
    wish = {"mu": {"role": "prediction"}, "s": {"role": "prediction", "domain": "(0, oo)"}}
    loss = parse("log(s) + (y - mu)**2/(2*s**2)", arguments=wish)
    assert [a.name for a in loss.arguments] == ["y", "mu", "s"]
    assert [a.name for a in loss.predictions] == ["mu", "s"]


def test_parameters() -> None:
    wish = {"c": {"domain": "(0, oo)", "default": 0.1}, "b": "[0, 1]", "a": {"domain": "(0, oo)", "default": "1/3"}}
    loss = parse("a*b*c*r**2", parameters=wish)
    assert [(q.name, q.default) for q in loss.parameters] == [
        ("c", Rational(1, 10)),
        ("b", None),
        ("a", Rational(1, 3)),
    ]
    assert parse("\u03b4*r", parameters={"\u03b4": "(0, oo)"}).parameters[0].symbol.is_positive
    assert parse("q*r", parameters={"q": {"domain": "(0, oo)", "default": Fraction(1, 3)}}).parameters[0].default
    assert parse("p*(f - y)", parameters={"p": "(1, 2)"}).predictions[0].name == "f"


@pytest.mark.parametrize(
    ("source", "parameters", "arguments", "message"),
    [
        ("r", {"delta": "(0, oo)"}, None, "'delta' is not used"),
        ("dleta*r", {"delta": "(0, oo)"}, None, "did you mean 'delta'"),
        ("d*r - d*r + r", {"d": "(0, oo)"}, None, "'d' cancels out"),
        ("d*r", {"d": "(0, oo"}, None, "parameter 'd': expected a domain"),
        ("d*r", {"d": {"domain": "(0, oo)", "default": 0}}, None, "does not lie in its domain"),
        ("d*r", {"d": {"domain": "(0, oo)", "default": True}}, None, "is a number"),
        ("d*r", {"d": {"domain": "(0, oo)", "default": float("nan")}}, None, "is a number"),
        ("d*r", {"d": {"default": 1}}, None, "has no domain"),
        ("d*r", {"d": {"domain": "(0, oo)", "defalt": 1}}, None, "did you mean 'default'"),
        ("d*r", {"d": 1}, None, "expected a domain"),
        ("d*r", ["d"], None, "expected parameters such as"),
        ("exp*r", {"exp": "(0, oo)"}, None, "a function of formulas"),
        ("r*y", {"y": "(0, oo)"}, None, "a variable of losses"),
        ("r", {"if": "(0, oo)"}, None, "a word of the language"),
        ("r", {"a b": "(0, oo)"}, None, "a letter followed by"),
        ("r", {"K": "simplex(K)"}, None, "declared in Python"),
        ("q*(f - y)", {"q": "(0, oo)"}, {"q": {"role": "target"}}, "both as a parameter and as an argument"),
        ("r", None, {"y": "simplex(K)"}, "declared in Python"),
        ("m", None, {"y": "{0, 1}"}, "needs a target in"),
        ("r", None, {"t": {"role": "target"}}, "has the arguments y and f"),
        ("r", None, {"r": {"role": "prediction"}}, "no argument"),
        ("f - t", None, {"t": "(0, oo)"}, "role of the argument 't' is not known"),
        ("w*(f - y)", None, {"w": {"role": "weight"}}, "sample_weight"),
        ("f - y", None, {"t": {"role": "target"}}, "'t' is not used"),
        ("f*z - y", None, None, "both predictions"),
        ("r + y", None, None, "cannot be mixed"),
        ("m + r", None, None, "cannot be mixed"),
        ("1 + y", None, None, "no prediction"),
        ("f**2", None, None, "no target"),
    ],
)
def test_declarations_that_cannot_be_meant(source: str, parameters: dict, arguments: dict, message: str) -> None:
    with pytest.raises((SpecError, DomainError), match=message):
        parse(source, parameters=parameters, arguments=arguments)


@pytest.mark.parametrize("name", ["", "A", "1a", "a b", "a-b", "../a", "a;b", "a" * 62, "\u03b4", "a\n", None])
def test_names_of_losses(name: str) -> None:
    with pytest.raises(SpecError, match="a loss's name is"):
        parse("r", name=name)


# Files ----------------------------------------------------------------------------------------------------------------


def test_template_loads_and_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(template("my_loss"), encoding="utf-8")
    loss = load(path)
    assert (loss.name, loss.title, loss.parameters[0].default) == ("my_loss", "My loss", 1)
    assert loads(dumps(loss)) == loss
    with pytest.raises(SpecError, match="a loss's name is"):
        template("My loss")


@pytest.mark.parametrize(
    "loss",
    [
        parse("r**2/(2*(delta**2 + r**2))", {"delta": {"domain": "(0, oo)", "default": "1/3"}}, name="a"),
        parse("max(0, 1 - m)", name="a", summary='A "quoted" \\ text.', references=["One.", "Two."], remarks=["x"]),
        parse("exp(f) - y*f", arguments={"y": "integers [0, oo)"}, inverse_link="exp(f)", family="likelihood"),
        parse("\u03b4*(f - t)**2", {"\u03b4": "(0, 1)"}, {"f": {"role": "prediction"}, "t": {"role": "target"}}),
        parse("q*r if r > 0.25 else 1e-20*q", {"q": {"domain": "[0.5, oo)", "default": 0.75}}, equivalents=["x/2"]),
    ],
)
def test_dumps_round_trips(loss: object) -> None:
    content = dumps(loss)  # type: ignore[arg-type]
    assert loads(content) == loss
    assert dumps(loads(content)) == content


def test_errors_in_files_show_the_place(tmp_path: Path) -> None:
    with pytest.raises(TextError) as caught:
        loads('name = "a"\nexpression = "r + epx(r)"', "a.toml")
    assert str(caught.value).startswith("a.toml: line 1, column 5: unknown function 'epx'; did you mean 'exp'?\n")
    with pytest.raises(TextError) as caught:
        loads('name = "a"\nexpression = "capp*r**2"\n[parameters]\ncap = "(0, oo)"', "a.toml")
    advice = "did you mean 'cap'? A parameter is declared below [parameters], as capp = { domain = \"(0, oo)\" }\n"
    assert advice in str(caught.value)
    with pytest.raises(TextError, match=r"declare both below \[arguments\], such as z = \{ role"):
        loads('name = "a"\nexpression = "f**2 + z**2"')
    with pytest.raises(SpecError, match=r"a\.toml: not TOML: .*line 2.*\n  oops oops"):
        loads('name = "a"\noops oops', "a.toml")
    with pytest.raises(SpecError, match="did you mean 'expression'"):
        loads('name = "a"\nexpresion = "r"')
    (tmp_path / "a.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(SpecError, match="UTF-8"):
        load(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_bytes(b"#" * 200_000)
    with pytest.raises(SpecError, match="at most"):
        load(tmp_path / "b.toml")


def test_every_habit_is_refused() -> None:
    """Each sign that the lexer explains is indeed no sign of formulas."""
    for habit, advice in grammar._HABITS.items():
        with pytest.raises(TextError) as caught:
            parse(f"r {habit} r")
        assert advice in str(caught.value)


@pytest.mark.parametrize("name", ["ndtr", "log_ndtr", "arctan_square", "sigmoid", "softplus", "focal_term"])
def test_an_atom_of_a_constant(name: str) -> None:
    """Its size is known by then; what it is stays as it was written."""
    arguments = "1, 2, 1/3" if name == "focal_term" else "-2"
    expression = parse_expression(f"r*{name}({arguments})", SYMBOLS)
    assert expression.has(FUNCTIONS[name])
