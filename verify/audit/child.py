"""What does foreign code answer? The child process that loads it, calls it, and may die of it.

Run as a program (`python child.py`) by any interpreter that has NumPy, or called after a fork, with the function in
memory already. Messages are lines of JSON on a pipe of its own; what the foreign code prints goes nowhere. Nothing of
lossforge is imported here: the interpreter may be that of another environment.
"""

from __future__ import annotations

import base64
import ctypes
import faulthandler
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Message = dict[str, Any]

C_TYPES: dict[str, Any] = {
    "double": ctypes.c_double, "float": ctypes.c_float, "size_t": ctypes.c_size_t, "int": ctypes.c_int,
    "long": ctypes.c_long, "int64_t": ctypes.c_int64,
}  # fmt: skip


# Arrays as text --------------------------------------------------------------------------------------------------


def packed(values: Any) -> Message:
    """An array as what JSON carries without losing a bit."""
    array = np.ascontiguousarray(values, dtype="<f8")
    return {"shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode()}


def unpacked(message: Message) -> Any:
    return np.frombuffer(base64.b64decode(message["data"]), dtype="<f8").reshape(message["shape"]).copy()


# Loading ---------------------------------------------------------------------------------------------------------


def load(target: Message) -> Any:
    """The object that a target names: an attribute of a module or of a file, or a function of a library of C code."""
    if target["kind"] == "c":
        return c_function(target["place"], target["name"], target["prototype"])
    if target["kind"] == "file":
        folder, name = os.path.split(os.path.abspath(target["place"]))
        sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location(os.path.splitext(name)[0], target["place"])
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    else:
        sys.path.insert(0, os.getcwd())
        module = importlib.import_module(target["place"])
    # What the user typed behind the colon: a name, or an expression such as Focal(gamma=2).objective.
    return eval(target["name"], vars(module))


def c_function(path: str, name: str, prototype: Message) -> Callable[..., Any]:
    """A C function over numbers, `double g(double y, double f)`, or over arrays with their length."""
    function = getattr(ctypes.CDLL(os.path.abspath(path)), name)
    arguments = prototype["arguments"]
    function.restype = None if prototype["returns"] == "void" else C_TYPES[prototype["returns"]]
    function.argtypes = [ctypes.POINTER(t) if a["pointer"] else t for a in arguments for t in [C_TYPES[a["type"]]]]
    outputs = [a["name"] for a in arguments if a["pointer"] and not a["const"]]
    inputs = [a["name"] for a in arguments if a["pointer"] or a["type"] in ("double", "float")]
    inputs = [n for n in inputs if n not in outputs]

    def call(*given: Any, **named: Any) -> Any:
        remaining = iter(given)
        values = {n: named[n] if n in named else next(remaining) for n in inputs}
        rows = max((len(v) for v in values.values() if isinstance(v, np.ndarray)), default=1)
        arrays: dict[str, Any] = {n: np.full(rows, np.nan) for n in outputs}
        passed: list[Any] = []
        for a in arguments:
            if a["pointer"]:
                start = arrays[a["name"]] if a["name"] in outputs else values[a["name"]]
                arrays[a["name"]] = array = np.ascontiguousarray(start, C_TYPES[a["type"]])
                passed.append(array.ctypes.data_as(ctypes.POINTER(C_TYPES[a["type"]])))
            else:
                passed.append(float(values[a["name"]]) if a["name"] in inputs else rows)
        found = function(*passed)
        return tuple(arrays[n] for n in outputs) if outputs else found

    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in inputs]
    )
    return call


def described(function: Any) -> Message:
    """What can be seen of a target without calling it."""
    kind = "function"
    if hasattr(function, "calc_ders_range"):
        kind = "catboost"
    elif hasattr(function, "calc_ders_multi"):
        kind = "catboost_multi"
    named = []
    try:
        for p in inspect.signature(function).parameters.values():
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                named.append({"name": p.name, "needed": p.default is p.empty, "none": p.default is None,
                              "keyword": p.kind is p.KEYWORD_ONLY})  # fmt: skip
        known = True
    except (TypeError, ValueError):
        known = False
    modules = {(getattr(function, "__module__", None) or type(function).__module__ or "").partition(".")[0]}
    for value in getattr(inspect.unwrap(function) if callable(function) else function, "__globals__", {}).values():
        if inspect.ismodule(value):
            modules.add(value.__name__.partition(".")[0])
        elif callable(value):
            modules.add((getattr(value, "__module__", None) or "").partition(".")[0])
    closure = inspect.getclosurevars(function).nonlocals.values() if inspect.isfunction(function) else ()
    modules |= {v.__name__.partition(".")[0] for v in closure if inspect.ismodule(v)}
    return {"kind": kind, "parameters": named, "known": known, "modules": sorted(modules),
            "callable": callable(function), "class": inspect.isclass(function), "numpy": np.__version__,
            "python": sys.version.split()[0]}  # fmt: skip


# Calling ---------------------------------------------------------------------------------------------------------


class Labelled:
    """What XGBoost's native objectives (a DMatrix) and LightGBM's (a Dataset) are given beside the predictions."""

    def __init__(self, label: Any, weight: Any) -> None:
        self.label, self.weight = label, weight

    def get_label(self) -> Any:
        return self.label

    def get_weight(self) -> Any:
        return self.weight

    def get_field(self, field: str) -> Any:
        return {"label": self.label, "weight": self.weight}.get(field)

    def get_base_margin(self) -> Any:
        return np.empty(0)

    def get_init_score(self) -> Any:
        return None

    def get_group(self) -> Any:
        return None

    def num_row(self) -> int:
        return len(self.label)

    num_data = num_row


def arranged(form: str, y: Any, f: Any, w: Any) -> tuple[Any, ...]:
    """Positional arguments, by the letters of a form: y, f, w, and d for a data set with its labels; r and m."""
    given = {"y": y, "f": f, "w": w, "d": Labelled(y, w)}
    if "r" in form or "m" in form:
        given |= {"r": f - y, "m": f * y}
    return tuple(given[letter] for letter in form)


def called(function: Any, request: Message) -> Message:
    """One call, in the form asked for; the outputs, or what was raised."""
    y, f = unpacked(request["y"]), unpacked(request["f"])
    if request.get("integers"):
        y = y.astype(np.int64)
    w = unpacked(request["w"]) if request.get("w") else None
    if request.get("last"):
        function = last_by_name(function, request["last"])
    keywords = request.get("keywords", {})
    form, container = request["form"], request.get("container", "numpy")
    try:
        if request.get("split"):
            return by_row(function, form, container, keywords, y, f, w, request.get("number", False))
        if container in ("torch", "jax"):
            differentiate = torch_outputs if container == "torch" else jax_outputs
            return {"outputs": [packed(o) for o in differentiate(function, form, keywords, y, f, w)],
                    "automatic": True}  # fmt: skip
        before = y.copy(), f.copy()
        outputs = plain(function, form, keywords, y, f, w)
        changed = not (np.array_equal(before[0], y, equal_nan=True) and np.array_equal(before[1], f, equal_nan=True))
        return {"outputs": [packed(o) for o in outputs], "changed": changed}
    except BaseException as error:  # a SystemExit is an answer, too
        return {"error": type(error).__name__, "message": f"{error}"[:300], "line": where(error)}


def last_by_name(function: Any, name: str) -> Callable[..., Any]:
    """The function, whose argument `name` stands last in the form."""
    return lambda *given, **named: function(*given[:-1], **{name: given[-1]}, **named)


def plain(function: Any, form: str, keywords: Message, y: Any, f: Any, w: Any) -> list[Any]:
    if form == "catboost":
        return outputs_of(function.calc_ders_range(f, y, w), len(y))
    if form == "catboost_multi":
        weights = np.ones(len(y)) if w is None else w
        found = [function.calc_ders_multi(list(f[i]), y[i], weights[i]) for i in range(len(y))]
        return [np.array([np.asarray(o[k], np.float64) for o in found]) for k in (0, 1)]
    result = weightless(function, form, keywords, y, f) if w is None and "d" in form else \
        function(*arranged(form, y, f, w), **keywords)  # fmt: skip
    return outputs_of(result, len(np.atleast_1d(f)), np.ndim(f) == 2)


def weightless(function: Any, form: str, keywords: Message, y: Any, f: Any) -> Any:
    """Called with a data set that has no weights: LightGBM's answers with None then, XGBoost's with an empty array."""
    try:
        return function(*arranged(form, y, f, None), **keywords)
    except (AttributeError, TypeError):
        return function(*arranged(form, y, f, np.empty(0)), **keywords)


def by_row(function: Any, form: str, container: str, keywords: Message, y: Any, f: Any, w: Any, number: bool
           ) -> Message:  # fmt: skip
    """Row by row, as numbers or as arrays of one; what raises in a row is its own affair."""
    rows: list[list[Any]] = []
    raised: dict[int, str] = {}
    for i in range(len(f)):
        try:
            one = [v if v is None else float(v[i]) if number else v[i : i + 1] for v in (y, f, w)]
            if container in ("torch", "jax"):
                differentiate = torch_outputs if container == "torch" else jax_outputs
                found = differentiate(function, form, keywords, *(v if v is None else np.atleast_1d(v) for v in one))
            else:
                found = plain(function, form, keywords, *one)
            rows.append([np.asarray(o, np.float64).reshape(-1) for o in found])
        except BaseException as error:
            raised[i] = f"{type(error).__name__}: {error}"[:200]
            rows.append([])
    width = max(map(len, rows))
    if width == 0:
        first = raised[0]
        return {"error": first.partition(":")[0], "message": first.partition(": ")[2], "line": ""}
    outputs = []
    for k in range(width):
        size = max(len(row[k]) for row in rows if len(row) > k) if f.ndim == 2 else 1
        empty = np.full(size, np.nan)
        outputs.append(packed([row[k][:size] if len(row) > k and len(row[k]) >= size else empty for row in rows]))
    return {"outputs": outputs, "raised": {str(i): m for i, m in raised.items()},
            "automatic": container in ("torch", "jax")}  # fmt: skip


def outputs_of(result: Any, rows: int, several: bool = False) -> list[Any]:
    """What was returned, as arrays: one for each output.

    With `several` raw scores a row, no array is taken for a pair of outputs.
    """
    if result is None:
        raise TypeError("it returned None")
    if isinstance(result, tuple | list):
        parts = [v for v in result if not isinstance(v, str | bool | np.bool_)]
        pairs = len(parts) == rows and all(isinstance(v, tuple | list | np.ndarray) and np.size(v) in (1, 2, 3)
                                           for v in parts)  # fmt: skip
        if pairs and not several and not (rows <= 3 and isinstance(result, tuple)):
            return list(np.array([np.ravel(as_array(v)) for v in parts]).T)
        if len(parts) <= 3 or isinstance(result, tuple):
            return [as_array(v) for v in parts]
        return [as_array(parts)]
    array = as_array(result)
    if array.ndim == 2 and array.shape == (rows, 2) and rows > 2 and not several:
        return list(array.T)
    return [array]


def as_array(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy(force=True)
    array = np.asarray(value)
    if array.dtype == object or not np.issubdtype(array.dtype, np.number):
        array = array.astype(np.float64)
    return array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array


def torch_outputs(function: Any, form: str, keywords: Message, y: Any, f: Any, w: Any) -> list[Any]:
    """Loss, gradient and second derivative of a PyTorch function, by its own automatic differentiation."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    raw = torch.tensor(f, dtype=torch.float64, requires_grad=True)
    target, weight = (None if v is None else torch.tensor(v) for v in (y, w))
    value = function(*arranged(form, target, raw, weight), **keywords)
    if isinstance(value, tuple | list) or not value.requires_grad:
        return outputs_of(value, len(f), f.ndim == 2)
    (first,) = torch.autograd.grad(value.sum(), raw, create_graph=True)

    def second(part: Any) -> Any:
        found = None
        if part.requires_grad:
            (found,) = torch.autograd.grad(part.sum(), raw, allow_unused=True, retain_graph=True)
        return np.zeros(f.shape) if found is None else as_array(found)

    if f.ndim == 2:
        whole = np.stack([second(first[:, k]) for k in range(f.shape[1])], axis=1)
        return [as_array(value), first.detach().numpy(), whole]
    return [as_array(value), as_array(first), second(first)]


def jax_outputs(function: Any, form: str, keywords: Message, y: Any, f: Any, w: Any) -> list[Any]:
    """The same of a JAX function, in float64 whatever the setting."""
    jax = importlib.import_module("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        return _of_one_length(jax, function, form, keywords, y, f, w)
    finally:
        jax.config.update("jax_enable_x64", before)


def _of_one_length(jax: Any, function: Any, form: str, keywords: Message, y: Any, f: Any, w: Any) -> list[Any]:
    # JAX compiles anew for every length: whole blocks, filled up with the last row, unless all rows make one number.
    n = len(f)
    filled = n if n == 1 else -(-n // 128) * 128
    found = _jax_outputs(jax, function, form, keywords, *(_filled(v, filled) for v in (y, f, w)))
    if filled == n or all(len(np.atleast_1d(o)) == filled for o in found):
        return [o if np.size(o) == 1 else o[:n] for o in found]
    return _jax_outputs(jax, function, form, keywords, y, f, w)


def _filled(values: Any, n: int) -> Any:
    return None if values is None else np.concatenate([values, np.repeat(values[-1:], n - len(values), axis=0)])


def _jax_outputs(jax: Any, function: Any, form: str, keywords: Message, y: Any, f: Any, w: Any) -> list[Any]:
    target, raw, weight = (None if v is None else jax.numpy.asarray(v) for v in (y, f, w))

    def value(x: Any) -> Any:
        return function(*arranged(form, target, x, weight), **keywords)

    result = value(raw)
    if isinstance(result, tuple | list):
        return outputs_of(tuple(np.asarray(v) for v in result), len(f), f.ndim == 2)
    first = jax.grad(lambda x: value(x).sum())
    if f.ndim == 2:
        columns = [jax.grad(lambda x, k=k: first(x)[:, k].sum())(raw) for k in range(f.shape[1])]
        return [np.asarray(result), np.asarray(first(raw)), np.stack(columns, axis=1)]
    second = jax.grad(lambda x: first(x).sum())
    return [np.asarray(result), np.asarray(first(raw)), np.asarray(second(raw))]


def where(error: BaseException) -> str:
    """The line of the foreign code that raised."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""


# Serving ---------------------------------------------------------------------------------------------------------


def confine(memory: int) -> None:
    """No core dumps, and at most so many bytes of memory more than now."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm", encoding="ascii") as pages:
            size = int(pages.read().split()[0]) * resource.getpagesize()
    except OSError:
        size = 0
    with_limit = size + memory
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard in (resource.RLIM_INFINITY,) or with_limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (with_limit, hard))


def serve(obtain: Callable[[Message], Any], source: Any, sink: Any, memory: int) -> None:
    """Load the target, then answer requests until there are no more."""

    def say(message: Message) -> None:
        sink.write((json.dumps(message) + "\n").encode())
        sink.flush()

    faulthandler.disable()
    warnings.simplefilter("ignore")
    confine(memory)
    with np.errstate(all="ignore"):
        try:
            function = obtain(json.loads(source.readline()))
            say(described(function))
        except BaseException as error:
            say({"error": type(error).__name__, "message": f"{error}"[:300], "line": where(error)})
            return
        for line in source:
            say(called(function, json.loads(line)))


def main() -> None:
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    serve(load, source, sink, int(sys.argv[1]))


if __name__ == "__main__":
    main()
