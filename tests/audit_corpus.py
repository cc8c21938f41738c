"""What do people write, and how do they get it wrong? Objectives as they are typed by hand, and errors planted in them.

Each objective is the text of two NumPy expressions, gradient and Hessian, in y_true, y_pred and what is defined above
them. `planted` changes the text's syntax tree at one place at a time: nothing of lossforge takes part.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Objective:
    """A loss of the catalogue, its parameters, and what somebody typed: definitions, gradient, Hessian."""

    loss: str
    parameters: dict[str, float]
    above: str
    gradient: str
    hessian: str

    def text(self, output: str) -> str:
        return self.gradient if output == "gradient" else self.hessian


SIGMOID = "p = 1 / (1 + np.exp(-y_pred))"
R = "r = y_pred - y_true"
OBJECTIVES = [
    Objective("huber", {"delta": 1.5}, R, "np.where(np.abs(r) <= delta, r, delta * np.sign(r))",
              "np.where(np.abs(r) <= delta, 1.0, 0.0)"),
    Objective("pseudo_huber", {"delta": 1.5}, f"{R}\ns = 1 + (r / delta) ** 2", "r / np.sqrt(s)",
              "1 / (s * np.sqrt(s))"),
    Objective("log_cosh", {}, R, "np.tanh(r)", "1 - np.tanh(r) ** 2"),
    Objective("pinball", {"tau": 0.3}, R, "np.where(r > 0, 1 - tau, -tau)", "0 * r"),
    Objective("expectile", {"tau": 0.3}, R, "2 * np.where(r > 0, 1 - tau, tau) * r",
              "2 * np.where(r > 0, 1 - tau, tau)"),
    Objective("cauchy", {"c": 1.75}, R, "r / (1 + (r / c) ** 2)", "(1 - (r / c) ** 2) / (1 + (r / c) ** 2) ** 2"),
    Objective("welsch", {"c": 1.75}, R, "r * np.exp(-((r / c) ** 2))",
              "(1 - 2 * (r / c) ** 2) * np.exp(-((r / c) ** 2))"),
    Objective("fair", {"c": 1.75}, R, "c * r / (c + np.abs(r))", "c**2 / (c + np.abs(r)) ** 2"),
    Objective("tukey_biweight", {"c": 3.5}, R, "np.where(np.abs(r) <= c, r * (1 - (r / c) ** 2) ** 2, 0)",
              "np.where(np.abs(r) <= c, (1 - (r / c) ** 2) * (1 - 5 * (r / c) ** 2), 0)"),
    Objective("linex", {"a": 0.5}, R, "a * np.exp(a * r) - a", "a**2 * np.exp(a * r)"),
    Objective("squared_log_error", {}, "d = np.log1p(y_pred) - np.log1p(y_true)", "2 * d / (1 + y_pred)",
              "2 * (1 - d) / (1 + y_pred) ** 2"),
    Objective("logistic", {}, "m = y_true * y_pred", "-y_true / (1 + np.exp(m))",
              "np.exp(m) / (1 + np.exp(m)) ** 2"),
    Objective("exponential", {}, "m = y_true * y_pred", "-y_true * np.exp(-m)", "y_true**2 * np.exp(-m)"),
    Objective("squared_hinge", {}, "m = y_true * y_pred", "np.where(m < 1, -2 * y_true * (1 - m), 0)",
              "np.where(m < 1, 2.0, 0.0)"),
    Objective("modified_huber", {}, "m = y_true * y_pred",
              "np.where(m < -1, -4 * y_true, np.where(m < 1, -2 * y_true * (1 - m), 0))",
              "np.where(m < -1, 0.0, np.where(m < 1, 2.0, 0.0))"),
    Objective("binary_cross_entropy_logits", {}, SIGMOID, "p - y_true", "p * (1 - p)"),
    Objective("weighted_binary_cross_entropy_logits", {"w_pos": 3.0}, SIGMOID,
              "(1 - y_true) * p - w_pos * y_true * (1 - p)", "(1 + (w_pos - 1) * y_true) * p * (1 - p)"),
    Objective("focal", {"gamma": 2.5, "alpha": 0.3}, f"{SIGMOID}\nq = 1 - p",
              "alpha * y_true * q**gamma * (gamma * p * np.log(p) - q)"
              " + (1 - alpha) * (1 - y_true) * p**gamma * (p - gamma * q * np.log(q))",
              "alpha * y_true * p * q**gamma * (q + 2 * gamma * q + gamma * q * np.log(p) - gamma**2 * p * np.log(p))"
              " + (1 - alpha) * (1 - y_true) * q * p**gamma"
              " * (p + 2 * gamma * p + gamma * p * np.log(q) - gamma**2 * q * np.log(q))"),
    Objective("poisson_log_link", {}, "mu = np.exp(y_pred)", "mu - y_true", "mu"),
    Objective("gamma_log_link", {}, "", "1 - y_true * np.exp(-y_pred)", "y_true * np.exp(-y_pred)"),
    Objective("tweedie_log_link", {"p": 1.25}, "", "np.exp((2 - p) * y_pred) - y_true * np.exp((1 - p) * y_pred)",
              "(2 - p) * np.exp((2 - p) * y_pred) - y_true * (1 - p) * np.exp((1 - p) * y_pred)"),
    Objective("negative_binomial", {"alpha": 0.75}, "mu = np.exp(y_pred)", "(mu - y_true) / (1 + alpha * mu)",
              "mu * (1 + alpha * y_true) / (1 + alpha * mu) ** 2"),
    Objective("charbonnier", {"epsilon": 0.5}, R, "r / np.sqrt(r**2 + epsilon**2)",
              "epsilon**2 / (r**2 + epsilon**2) ** 1.5"),
    Objective("geman_mcclure", {"c": 1.5}, R, "c**2 * r / (c**2 + r**2) ** 2",
              "c**2 * (c**2 - 3 * r**2) / (c**2 + r**2) ** 3"),
    Objective("student_t", {"nu": 4.5}, R, "(nu + 1) * r / (nu + r**2)", "(nu + 1) * (nu - r**2) / (nu + r**2) ** 2"),
    Objective("brier_logits", {}, SIGMOID, "2 * (p - y_true) * p * (1 - p)",
              "2 * p * (1 - p) * (p * (1 - p) + (p - y_true) * (1 - 2 * p))"),
    Objective("poly1_cross_entropy", {"epsilon": 0.7}, SIGMOID,
              "p - y_true + epsilon * p * (1 - p) * (1 - 2 * y_true)",
              "p * (1 - p) * (1 + epsilon * (1 - 2 * y_true) * (1 - 2 * p))"),
    Objective("label_smoothed_binary_cross_entropy", {"epsilon": 0.3}, SIGMOID,
              "p - y_true * (1 - epsilon) - epsilon / 2", "p * (1 - p)"),
    Objective("smooth_pinball", {"tau": 0.3, "alpha": 0.6}, f"{R}\ns = 1 / (1 + np.exp(-r / alpha))", "s - tau",
              "s * (1 - s) / alpha"),
    Objective("savage", {}, "m = y_true * y_pred", "-2 * y_true * np.exp(m) / (1 + np.exp(m)) ** 3",
              "2 * np.exp(m) * (2 * np.exp(m) - 1) / (1 + np.exp(m)) ** 4"),
    Objective("tanh_loss", {}, "m = y_true * y_pred", "-y_true * (1 - np.tanh(m) ** 2)",
              "2 * np.tanh(m) * (1 - np.tanh(m) ** 2)"),
]  # fmt: skip
# Written after the diagnoses, which were not changed for their sake.
LATER = [
    Objective("arctan_loss", {"c": 1.5}, R, "r / (1 + (r / c) ** 4)",
              "(1 - 3 * (r / c) ** 4) / (1 + (r / c) ** 4) ** 2"),
    Objective("logistic_distance", {}, R, "np.tanh(r / 2)", "(1 - np.tanh(r / 2) ** 2) / 2"),
    Objective("log2_logistic", {}, "m = y_true * y_pred", "-y_true / ((1 + np.exp(m)) * np.log(2))",
              "np.exp(m) / (1 + np.exp(m)) ** 2 / np.log(2)"),
    Objective("ramsay", {"a": 0.4}, R, "r * np.exp(-a * np.abs(r))", "(1 - a * np.abs(r)) * np.exp(-a * np.abs(r))"),
    Objective("tolerant", {"a": 1.2, "b": 0.7}, f"{R}\ns = 1 / (1 + np.exp((a - r**2) / b))", "2 * r * s",
              "2 * s + 4 * r**2 * s * (1 - s) / b"),
    Objective("asymmetric_squared", {"a": 1.5, "b": 2.5}, R, "np.where(r > 0, 2 * a * r, 2 * b * r)",
              "np.where(r > 0, 2 * a, 2 * b)"),
]  # fmt: skip


def function_of(objective: Objective, expression: str) -> Callable[..., Any]:
    """The typed expression as a function of y_true and y_pred."""
    lines = [*objective.above.splitlines(), f"return np.broadcast_to({expression}, y_pred.shape) + 0.0"]
    given = "".join(f", {n}={v}" for n, v in objective.parameters.items())
    scope: dict[str, Any] = {"np": np}
    exec(f"def typed(y_true, y_pred{given}):\n" + "\n".join(f"    {line}" for line in lines), scope)
    function: Callable[..., Any] = scope["typed"]
    return function


@dataclass(frozen=True)
class Planted:
    """One error: of which kind, and the expression with it."""

    kind: str
    expression: str


def planted(objective: Objective, output: str) -> list[Planted]:
    """Every error that can be planted in the text of one output, each text once."""
    right = objective.text(output)
    tree = ast.parse(right, mode="eval").body
    found = {e: kind for kind, e in (*_whole(right, objective, output), *_anywhere(tree, objective, lambda t: t))}
    return [Planted(kind, e) for e, kind in found.items() if e != ast.unparse(tree)]


def _whole(e: str, objective: Objective, output: str) -> Iterator[tuple[str, str]]:
    yield "sign", f"-({e})"
    yield "factor", f"2 * ({e})"
    yield "factor", f"({e}) / 2"
    yield "factor", f"0.7 * ({e})"
    yield "absolute", f"np.abs({e})"
    if output == "hessian":
        yield "constant", "1.0 + 0 * y_pred"
        yield "squared gradient", f"({objective.gradient}) ** 2"
        yield "outputs exchanged", objective.gradient
        yield "floored", f"np.maximum({e}, 0.05)"
    if output == "gradient":
        yield "clipped", f"np.clip({e}, -0.5, 0.5)"
    if "p = 1 / (1 + np.exp" in objective.above:
        yield "probability", f"({e}) / (p * (1 - p))"
        yield "chain factor", f"({e}) * p * (1 - p)"
    if objective.loss in ("logistic", "exponential", "squared_hinge"):
        yield "target", e.replace("y_true", "(-y_true)").replace("m", "(-m)") if "m" in e else e
    yield "part", f"np.where(y_true == {_part(objective)}, {_half(e)}, {e})"


def _half(e: str) -> str:
    return f"0.3 * ({e})"


def _part(objective: Objective) -> str:
    return {"squared_log_error": "0.0", "gamma_log_link": "1.0"}.get(
        objective.loss, "1.0" if objective.above.startswith(("m =", "p =")) else "0.0")  # fmt: skip


Put = Callable[[str], str]


def _anywhere(node: ast.expr, objective: Objective, put: Put) -> Iterator[tuple[str, str]]:
    for kind, text in _here(node, objective):
        yield kind, put(text)
    for field, child in _children(node):
        yield from _anywhere(child, objective, _putting(node, field, put))


def _children(node: ast.expr) -> Iterator[tuple[Any, ast.expr]]:
    match node:
        case ast.BinOp(left=left, right=right):
            yield "left", left
            yield "right", right
        case ast.UnaryOp(operand=operand):
            yield "operand", operand
        case ast.Call(args=args):
            yield from enumerate(args)


def _putting(node: ast.expr, field: Any, put: Put) -> Put:
    def inner(text: str) -> str:
        copy = ast.parse(ast.unparse(node), mode="eval").body
        new = ast.parse(text, mode="eval").body
        if isinstance(field, str):
            setattr(copy, field, new)
        else:
            assert isinstance(copy, ast.Call)
            copy.args[field] = new
        return put(ast.unparse(copy))

    return inner


def _here(node: ast.expr, objective: Objective) -> Iterator[tuple[str, str]]:
    match node:
        case ast.BinOp(left=a, op=ast.Add() | ast.Sub() as op, right=b):
            left, right = f"({ast.unparse(a)})", f"({ast.unparse(b)})"
            signs = ("+", "-") if isinstance(op, ast.Add) else ("-", "+")
            yield "sign of a term", f"{left} {signs[1]} {right}"
            yield "missing term", left
            yield "missing term", right if signs[0] == "+" else f"-{right}"
            yield "factor of a term", f"{left} {signs[0]} 2 * {right}"
            yield "factor of a term", f"2 * {left} {signs[0]} {right}"
        case ast.BinOp(left=a, op=ast.Mult(), right=b):
            yield "missing factor", ast.unparse(a)
            yield "missing factor", ast.unparse(b)
        case ast.BinOp(left=a, op=ast.Div(), right=b):
            yield "missing factor", ast.unparse(a)
            yield "missing factor", f"({ast.unparse(a)}) * ({ast.unparse(b)})"
        case ast.BinOp(left=a, op=ast.Pow(), right=b):
            yield "exponent", f"({ast.unparse(a)}) ** ({ast.unparse(b)} + 1)"
            yield "exponent", f"({ast.unparse(a)}) ** ({ast.unparse(b)} - 1)"
        case ast.Call(func=ast.Attribute(attr=name), args=[a]):
            inner = ast.unparse(a)
            if name in ("exp", "tanh"):
                yield "sign of an argument", f"np.{name}(-({inner}))"
            if name in ("abs", "sign"):
                yield "missing function", inner
            if name == "tanh":
                yield "wrong function", f"np.sinh({inner})"
        case ast.Call(func=ast.Attribute(attr="where"), args=[c, a, b]):
            condition, x, y = map(ast.unparse, (c, a, b))
            yield "pieces", f"np.where({condition}, {y}, {x})"
            yield "pieces", f"{x} + 0 * y_pred"
            yield "pieces", f"{y} + 0 * y_pred"
        case ast.Compare():
            return
        case ast.Name(id=name) if name in objective.parameters:
            yield "parameter", "1"
            yield "parameter", f"(1 - {name})"
            yield "parameter", f"({name} + 1)"
