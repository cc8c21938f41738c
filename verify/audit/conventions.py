"""How does foreign code want to be called, and what does it answer with?

Every way of calling it that its signature allows is tried at ordinary points; the one whose answers come nearest to the
truth is the convention. Names of arguments that say what they are decide the order alone: a wrong sign is not explained
away by exchanging arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..truth import OUTPUTS
from .agreement import Answers
from .child import Message, called, described, packed, unpacked
from .ground import Floats, Ground
from .relations import relations_of

_LETTERS = {
    "y": "y y_true ytrue true truth target targets label labels actual t y_i",
    "f": "f p x z pred preds y_pred ypred yhat y_hat prediction predictions predt raw raw_prediction raw_predictions "
         "raw_score score scores logit logits approx approxes input inputs output outputs mu margins logits_pred",
    "d": "dtrain data dataset dmatrix train_data train_set dtest dmat d",
    "w": "w weight weights sample_weight sample_weights",
    "r": "r residual residuals err error u diff",
    "m": "m margin",
}  # fmt: skip
LETTERS = {name: letter for letter, names in _LETTERS.items() for name in names.split()}
AUTOMATIC = {"torch": {"torch"}, "jax": {"jax", "jaxlib", "optax", "flax"}}
LIBRARIES = ("xgboost", "lightgbm", "catboost", "sklearn", "torch", "jax")

TARGETS: dict[str, Callable[[Floats], Floats]] = {
    "": lambda y: y, "labels 0 and 1": lambda y: (y + 1) / 2, "labels -1 and 1": lambda y: 2 * y - 1,
}  # fmt: skip
PREDICTIONS: dict[str, Callable[[Floats], Floats]] = {
    "": lambda f: f, "the probability": lambda f: 1 / (1 + np.exp(-f)), "the mean exp(f)": np.exp,
}  # fmt: skip


class Oracle(Protocol):
    """Whoever answers requests: a child process, or, for code that is trusted, this one."""

    def start(self) -> Message: ...

    def ask(self, request: Message) -> Message: ...


@dataclass(frozen=True, slots=True)
class Local:
    """A function that is trusted, called in this process."""

    function: Any

    def start(self) -> Message:
        return described(self.function)

    def ask(self, request: Message) -> Message:
        with np.errstate(all="ignore"):
            return called(self.function, request)


@dataclass(frozen=True, slots=True)
class Convention:
    """How the code is called (`form`, by letters), with what kind of arrays, and what its outputs are."""

    form: str
    container: str = "numpy"
    split: bool = False
    number: bool = False
    targets: str = ""
    predictions: str = ""
    outputs: tuple[str, ...] = ()
    sign: int = 1
    automatic: bool = False
    weighable: str = ""

    @property
    def words(self) -> list[str]:
        """The convention in words, one for each choice that was made."""
        letters = {"y": "targets", "f": "predictions", "w": "weights", "d": "data set", "r": "residual f - y",
                   "m": "margin y*f"}  # fmt: skip
        if self.form == "catboost":
            said = ["called as CatBoost does, calc_ders_range(approxes, targets, weights)"]
        else:
            said = [f"called with ({', '.join(letters[x] for x in self.form)})"]
        if self.container != "numpy":
            kind = {"torch": "PyTorch", "jax": "JAX"}[self.container]
            derived = "; gradient and Hessian by its automatic differentiation" if self.automatic else ""
            said.append(f"on {kind} tensors{derived}" if self.container == "torch" else f"on {kind} arrays{derived}")
        if self.number:
            said.append("number by number")
        elif self.split:
            said.append("row by row")
        if self.targets:
            said.append(f"with {self.targets}")
        if self.predictions:
            said.append(f"with {self.predictions} in place of the raw score")
        if self.sign < 0:
            said.append("derivatives negated, as CatBoost wants them")
        said.append(f"answers with {', '.join({'hessian': 'Hessian'}.get(o, o) for o in self.outputs)}")
        return said


@dataclass(slots=True)
class Asker:
    """Foreign code in one convention: `at(y, f)` gives each output, by name."""

    oracle: Oracle
    convention: Convention
    keywords: Mapping[str, Any]
    changed: bool = False

    def at(self, y: Any, f: Any, w: Any = None, split: bool = False) -> tuple[dict[str, Floats], dict[int, str]]:
        """The outputs at these points, and by row what was raised; NaN there.

        Raises ChildDied when the process ends.
        """
        c = self.convention
        message = self.ask(y, f, w, c.split or split)
        if "error" in message and not (c.split or split):
            message = self.ask(y, f, w, True)
        n = len(np.asarray(y))
        if "error" in message:
            said = f"{message['error']}: {message['message']}"
            return {o: np.full(n, np.nan) for o in c.outputs}, dict.fromkeys(range(n), said)
        self.changed |= bool(message.get("changed"))
        raised = {int(i): m for i, m in message.get("raised", {}).items()}
        found = {}
        for name, data in zip(c.outputs, message["outputs"], strict=False):
            values = unpacked(data)
            if values.size != n and values.size != 1:
                return {o: np.full(n, np.nan) for o in c.outputs}, dict.fromkeys(range(n), "its shape is another")
            sign = c.sign if name != "loss" else 1
            found[name] = sign * np.broadcast_to(values.reshape(-1), (n,))
        return {o: found.get(o, np.full(n, np.nan)) for o in c.outputs}, raised

    def ask(self, y: Any, f: Any, w: Any, split: bool) -> Message:
        """One call, with all rows at once or, `split`, row by row."""
        c, keywords = self.convention, dict(self.keywords)
        with np.errstate(all="ignore"):
            given_y = TARGETS[c.targets](np.asarray(y, np.float64))
            given_f = PREDICTIONS[c.predictions](np.asarray(f, np.float64))
        request = {"form": c.form, "container": c.container, "split": split, "number": c.number, "keywords": keywords,
                   "y": packed(given_y), "f": packed(given_f)}  # fmt: skip
        return self.oracle.ask(request | weights_asked(c.form, c.weighable, len(given_y), w))


def forms_of(about: Message, library: str | None, parameters: Mapping[str, float]) -> tuple[list[str], bool]:
    """Ways to order the arguments, the likeliest first, and whether their names leave no doubt."""
    if about["kind"] == "catboost" or library == "catboost":
        return ["catboost"], True
    taken = [p["name"] for p in about["parameters"] if not p["keyword"] and p["name"] not in parameters
             and (p["needed"] or (p["none"] and LETTERS.get(p["name"]) in ("y", "f")))]  # fmt: skip
    if about["known"] and not taken:
        taken = [p["name"] for p in about["parameters"] if not p["keyword"] and p["name"] not in parameters][:2]
    letters = [LETTERS.get(name.lower().lstrip("_"), "?") for name in taken]
    if "?" not in letters and len(set(letters)) == len(letters) and letters:
        form = "".join(letters)
        if set(form) & set("frm"):
            return [form], True
        if form == "yw":
            return ["yf"], False
    if "d" in letters and len(letters) == 2:
        return (["fd"] if letters[1] == "d" else ["df"]), True
    if len(letters) == 2 and letters.count("?") == 1 and set(letters) & set("yf"):
        other = "f" if "y" in letters else "y"
        return ["".join(other if x == "?" else x for x in letters)], True
    by_size = {1: ["r", "m", "f"], 2: ["yf", "fy", "fd"], 3: ["yfw", "fyw"]}
    preferred = {"xgboost": ["fd", "yf", "fy"], "lightgbm": ["yf", "fd", "fy"], "sklearn": ["yf", "fy"],
                 "torch": ["fy", "yf"], "jax": ["fy", "yf"]}  # fmt: skip
    size = len(letters) if about["known"] else 2
    if size == 2 and library in preferred:
        return preferred[library], False
    return by_size.get(size, ["yf", "fy"]), False


def weight_of(about: Message, form: str, passed: Mapping[str, Any]) -> str:
    """How the code is given weights: in its `form`, or by the name of an argument; "" where it is not.

    An argument of such a name may also be a parameter of the loss: it is, if it is among those that are `passed`.
    """
    if set(form) & set("wd") or form.startswith("catboost"):
        return "form"
    names = [p["name"] for p in about["parameters"] if p["name"] not in passed]
    return next((n for n in names if LETTERS.get(n.lower()) == "w"), "")


def weights_asked(form: str, weighable: str, rows: int, w: Any) -> Message:
    """What a request says of weights: where the form has a place for them, they are 1 if none are given."""
    if w is None:
        return {"w": packed(np.ones(rows))} if "w" in form else {}
    if weighable in ("", "form"):
        return {"w": packed(w)}
    return {"w": packed(w), "form": f"{form}w", "last": weighable}


def interpretations(count: int, automatic: bool, wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """What so many outputs may be."""
    if automatic and count == 3:
        return [OUTPUTS]
    if wanted:
        return [tuple(wanted)[:count]]
    known: dict[int, list[tuple[str, ...]]] = {
        1: [("gradient",), ("loss",), ("hessian",)],
        2: [("gradient", "hessian"), ("loss", "gradient")],
        3: [OUTPUTS],
    }
    return known.get(count, [])


@dataclass(frozen=True, slots=True)
class Trial:
    """One convention, the answers at the points to fit and the fresh ones, and how near to the truth they are."""

    convention: Convention
    answers: Mapping[str, Answers]
    score: float


def find(oracle: Oracle, ground: Ground, library: str | None, wanted: Sequence[str], keywords: Mapping[str, Any]
         ) -> tuple[Trial | None, Message]:  # fmt: skip
    """The convention that fits best, or None and what was raised by the last call."""
    about = oracle.start()
    if "error" in about:
        return None, about
    best: Trial | None = None
    said: Message = {}
    tried: list[Trial] = []
    answered: set[str] = set()
    forms, certain = forms_of(about, library, {**ground.parameters, **keywords})
    for order, c in enumerate(_conventions(about, forms, library, ground)):
        if c.split and c.form in answered:  # it takes arrays
            continue
        trials = list(_tried(oracle, ground, c, wanted, keywords, said))
        for t in trials:
            scored = replace(t, score=t.score - 0.01 * order - (0.6 if c.targets or c.predictions else 0.0))
            tried.append(scored)
            answered.add(c.form)
            if best is None or scored.score > best.score:
                best = scored
        if best is not None and best.score >= 4 * len(best.answers) - 0.9:
            break
    if best is not None and best.score < 1 and not (certain and len({t.convention.outputs for t in tried}) == 1):
        # Nothing fits at once, and there is a choice: whichever way makes a known mistake of it.
        closer = [replace(t, score=t.score + sum(_score(ground, o, a, True) for o, a in t.answers.items()))
                  for t in tried]  # fmt: skip
        best = max(closer, key=lambda t: t.score)
    if best is not None:
        weight = weight_of(about, best.convention.form, {**ground.parameters, **keywords})
        best = replace(best, convention=replace(best.convention, weighable=weight))
    return best, said


def _conventions(about: Message, forms: Sequence[str], library: str | None, ground: Ground) -> Iterator[Convention]:
    containers = ways_of(about, library)[:-1]
    ways: list[dict[str, Any]] = [*({"container": c} for c in containers), {}]
    if "math" in about["modules"]:
        ways.append({"split": True, "number": True})
    elif not containers:
        ways += [{"split": True}, {"split": True, "number": True}]
    for targets, predictions in _inputs(ground):
        for form in forms:
            for way in ways:
                sign = -1 if form == "catboost" else 1
                yield Convention(form, targets=targets, predictions=predictions, sign=sign, **way)


def ways_of(about: Message, library: str | None) -> list[str]:
    """What arrays the code may want, the likeliest first, NumPy's the last."""
    if library in AUTOMATIC:
        return [library, "numpy"]
    return [*(c for c, modules in AUTOMATIC.items() if modules & set(about["modules"])), "numpy"]


def _inputs(ground: Ground) -> list[tuple[str, str]]:
    """Labels and predictions as they are, then as other conventions have them."""
    domain, raw = ground.target.domain.text, ground.prediction.domain.text == "(-oo, oo)"
    labels = {"{-1, 1}": "labels 0 and 1", "{0, 1}": "labels -1 and 1", "[0, 1]": "labels -1 and 1"}.get(domain)
    ways = [("", "")]
    if labels:
        ways.append((labels, ""))
    if raw and ground.loss.base != "residual":
        ways.append(("", "the probability" if labels else "the mean exp(f)"))
        if labels:
            ways.append((labels, "the probability"))
    return ways


def _tried(oracle: Oracle, ground: Ground, c: Convention, wanted: Sequence[str], keywords: Mapping[str, Any],
           said: Message) -> Iterator[Trial]:  # fmt: skip
    """The interpretations of what comes back, when anything does."""
    some = relations_of(ground, "gradient")
    n = len(some.y)
    asker = Asker(oracle, c, keywords)
    message = asker.ask(some.y, some.f, None, c.split)
    if "error" in message:
        for key, value in message.items():
            said.setdefault(key, value)  # of several ways, the first says most
        return
    sizes = [int(np.prod(o["shape"])) for o in message["outputs"]]
    # A number for all rows: a sum or a mean. Rows by themselves then; what it is, is looked at later.
    if any(s == 1 for s in sizes) and not c.split and n > 1:
        alone = asker.ask(some.y, some.f, None, True)
        if "error" not in alone:
            message, c = alone, replace(c, split=True)
            sizes = [int(np.prod(o["shape"])) for o in message["outputs"]]
    if not sizes or any(s not in (n, 1) for s in sizes):
        said.setdefault("error", "ValueError")
        said.setdefault("message", f"its outputs have {sizes} numbers for {n} rows")
        return
    automatic = bool(message.get("automatic")) and len(sizes) == 3
    for names in interpretations(len(sizes), automatic, wanted):
        shown = replace(c, outputs=names, automatic=automatic)
        found = {}
        for name, data in zip(names, message["outputs"], strict=False):
            values = np.broadcast_to(unpacked(data).reshape(-1), (n,)) * (shown.sign if name != "loss" else 1)
            found[name] = Answers(values)
        yield Trial(shown, found, sum(_score(ground, o, a) for o, a in found.items()))


def _score(ground: Ground, output: str, answers: Answers, closely: bool = False) -> float:
    """4 for the truth, less for what is like it, as far as that shows at once or, `closely`, after some thought."""
    relations = relations_of(ground, output)
    right = relations.is_right(answers)
    if right.all():
        return 4.0
    nearly = relations.is_right(answers, 1e-4)
    if nearly.all():
        return 3.5
    found = relations.diagnose(answers)[:1] if closely else [d for d in [relations.plainly(answers)] if d]
    plain = 2.5 if found and found[0].kind in ("sign", "factor", "sign and factor", "offset") else 1.5 if found else 0.0
    return max(plain, 3.0 * float(np.mean(right)) if right.mean() > 0.3 else 0.0)
