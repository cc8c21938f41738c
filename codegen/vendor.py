"""How does a loss become one file that trains without lossforge?

Such a file carries the text of what runs here: the loss's generated NumPy kernels and facts, and the modules of the
objectives, whose imports of each other are left out because they stand in one file. Nothing is written a second time,
so what is tested here is what trains there.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any

from .. import __version__
from .environment import environment
from .target import TargetError

Facts = Mapping[str, Any]

# What an adapter stands on, in an order in which each module needs only those before it.
CARRIED = (
    "runtime/errors.py",
    "runtime/domains.py",
    "runtime/parameters.py",
    "runtime/signature.py",
    "runtime/objectives/plain.py",
    "runtime/objectives/curvature.py",
    "runtime/objectives/intercept.py",
    "runtime/objectives/core.py",
)
# What objectives ask of the facts of a loss; the rest is documentation.
KNOWN = (
    "name", "base", "size", "arguments", "parameters", "inverse_link", "link", "kinks", "curvatures", "preferred",
    "intercept", "smoothed", "kernels", "properties",
)  # fmt: skip
WIDTH = 112  # of a line of the facts


def objective_file(
    facts: Facts,
    numpy_text: str,
    library: str,
    adapter: str,
    regenerate: str,
    *,
    curvature: str | None = None,
    parameters: Mapping[str, float] | None = None,
) -> str:
    """The text of a file with one loss as an objective of one library: it needs NumPy and that library.

    `numpy_text` is the generated NumPy module of the loss, `adapter` the class of `runtime/objectives/LIBRARY.py`.
    `curvature` and `parameters` become the defaults in the file; of another curvature than the one named no kernel is
    carried. Raises TargetError when the modules cannot stand in one file.
    """
    carried, sections = _carried(library)
    kept = {name: facts[name] for name in KNOWN if name in facts}
    kept["properties"] = {name: facts["properties"][name] for name in ("convex",) if name in facts["properties"]}
    if curvature is not None:
        own = curvature.partition("(")[0].strip()
        kept["curvatures"] = {n: c for n, c in facts.get("curvatures", {}).items() if n in ("exact", own)}
        kept["preferred"] = [n for n in facts.get("preferred", ()) if n in kept["curvatures"]]
    asked = {name for module in carried for name in re.findall(r'"(\w+)"', module.text)}
    kept["properties"] = {n: {"verdict": p["verdict"]} for n, p in facts["properties"].items() if n in asked}
    kernels, wanted = Module(numpy_text), _wanted(kept, carried)
    context = {
        "title": facts["title"],
        "formula": _one_line(facts["formula"]["text"]),
        "summary": _one_line(facts["summary"] or facts["title"]),
        "name": facts["name"],
        "library": library,
        "adapter": adapter,
        "version": __version__,
        "regenerate": _one_line(regenerate),
        "imports": imports(carried),
        "sections": sections,
        "facts": literal(_plain(kept)),
        "functions": _kernels(kernels, wanted),
        "kernels": [name for name in kernels.functions if name in wanted],
        "parameters": [{"name": name, "domain": p["domain"]} for name, p in facts["parameters"].items()],
        "signature": _signature(facts["parameters"], parameters or {}, curvature, adapter),
        "bound": ", ".join(f"{name}={name}" for name in facts["parameters"]),
    }
    return environment().get_template("vendor.py.j2").render(context)


@cache
def _carried(library: str) -> tuple[list[Module], list[str]]:
    """The modules that an adapter needs, itself the last, and their sections of the file."""
    modules = [Module.read(place) for place in (*CARRIED, f"runtime/objectives/{library}.py")]
    return modules, one_namespace(modules)


# Modules as text ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Module:
    """The text of a Python module, and what stands at its top level."""

    text: str
    place: str = ""
    tree: ast.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.text))

    @classmethod
    def read(cls, place: str) -> Module:
        """A module of this package, by its path in it; its text is read, and the module not imported."""
        return cls(resources.files(__package__.partition(".")[0]).joinpath(place).read_text(encoding="utf-8"), place)

    @property
    def question(self) -> str:
        """The first line of the docstring: what the module answers."""
        return (ast.get_docstring(self.tree) or "").partition("\n")[0]

    @property
    def functions(self) -> dict[str, ast.FunctionDef]:
        return {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef)}

    def without(self, nodes: Iterable[ast.stmt]) -> str:
        """The text without some statements of the top level."""
        lines = self.text.splitlines()
        for node in nodes:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = "\0"
        kept = "\n".join(line for line in lines if line != "\0").strip("\n")
        return re.sub(r"\n{4,}", "\n\n\n", kept)


def one_namespace(modules: Iterable[Module]) -> list[str]:
    """The modules as sections of one file: without docstrings and imports, and what several define alike once.

    Raises TargetError where two define a name differently, or where an import is not at the top.
    """
    defined: dict[str, tuple[str, str]] = {}
    sections = []
    for module in modules:
        dropped = [
            node for node in module.tree.body if _is_docstring(node) or isinstance(node, ast.Import | ast.ImportFrom)
        ]
        _refuse_hidden_imports(module, dropped)
        for node in module.tree.body:
            if node in dropped:
                continue
            for name in _names(node):
                meaning = ast.dump(node)
                before, where = defined.setdefault(name, (meaning, module.place))
                if where == module.place:
                    continue
                if before != meaning and not _is_array(node):
                    raise TargetError(f"{module.place} and {where} both define {name}, differently; rename one of them")
                dropped.append(node)
        text = module.without(dropped)
        space = "\n\n" if re.match(r"(@|class |def )", text) else "\n"
        sections.append(f"# {module.question} ".ljust(99, "-").rstrip() + f"\n{space}{text}")
    return sections


def imports(modules: Iterable[Module]) -> list[str]:
    """What the modules import from elsewhere, each once, in the order of isort."""
    names: dict[str, set[str]] = {}
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    names.setdefault(_spelt(alias, "import "), set())
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module != "__future__":
                names.setdefault(f"from {node.module}", set()).update(_spelt(alias) for alias in node.names)
    standard: list[str] = []
    others: list[str] = []
    for head in sorted(names, key=lambda head: (head.startswith("from"), head)):
        line = f"{head} import {', '.join(sorted(names[head], key=_isort))}" if names[head] else head
        top = head.split()[1].partition(".")[0]
        (standard if top in _STANDARD else others).append(line)
    return [*standard, "", *others]


# Of the standard library; what is neither here nor NumPy is the adapter's library.
_STANDARD = frozenset(sys.stdlib_module_names)


def _isort(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def _spelt(alias: ast.alias, head: str = "") -> str:
    return f"{head}{alias.name} as {alias.asname}" if alias.asname else f"{head}{alias.name}"


def _names(node: ast.stmt) -> list[str]:
    """What a statement of the top level defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else []
    return [
        alias.asname or alias.name.partition(".")[0]
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
        for alias in inner.names
    ]


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_array(node: ast.stmt) -> bool:
    """Whether a statement names a kind of array, for the type checker; the first such name serves for all."""
    return isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("NDArray[")


def _refuse_hidden_imports(module: Module, top: Iterable[ast.stmt]) -> None:
    known = {id(node) for node in top}
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.level
            and (id(node) not in known or any(a.asname for a in node.names))
        ):
            raise TargetError(
                f"{module.place}, line {node.lineno}: such an import cannot be left out; import names at the top"
            )


# The loss ----------------------------------------------------------------------------------------


def _wanted(facts: Facts, modules: Iterable[Module]) -> set[str]:
    """The kernels that the carried modules may call."""
    called = {name for module in modules for name in re.findall(r"\bloss\.(\w+)\(", module.text)}
    basic = {name for name in facts["kernels"] if name.removesuffix("_index") in called}
    return (
        basic | {"inverse_link", "link"} | {name for name, c in facts.get("curvatures", {}).items() if "formula" in c}
    )


def _kernels(module: Module, wanted: set[str]) -> list[str]:
    """The text of the kernels, with `kernel_` before their names, and of the functions that they call."""
    lines, found = module.text.splitlines(), []
    texts = {name: "\n".join(lines[f.lineno - 1 : f.end_lineno]) for name, f in module.functions.items()}
    called = {name for kernel in wanted & texts.keys() for name in texts if f"{name}(" in texts[kernel][4:]}
    for name, function in module.functions.items():
        if name not in wanted and name not in called:
            continue
        arguments = ", ".join(f"{a.arg}: Any" for a in function.args.args)
        result, renamed = ("tuple[Any, ...]", f"kernel_{name}") if name in wanted else ("Any", name)
        body = texts[name].partition("\n")[2]
        found.append(f"def {renamed}({arguments}) -> {result}:\n{body}")
    return found


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts without what is for readers of formulas: a formula is its text."""

    def shortened(value: Any) -> Any:
        if isinstance(value, Mapping):
            return value["text"] if set(value) == {"text", "latex"} else {k: shortened(v) for k, v in value.items()}
        return [shortened(v) for v in value] if isinstance(value, list) else value

    kernels = facts["kernels"] if len([a for a in facts["arguments"].values() if a["role"] == "prediction"]) > 1 else {}
    return {**shortened(facts), "kernels": kernels}


def _signature(declared: Facts, chosen: Mapping[str, float], curvature: str | None, adapter: str) -> str:
    """The head of `objective`, on one line or three."""
    arguments = ["*"]
    for name, of in declared.items():
        default = chosen.get(name, of["default"])
        value = float(Fraction(default)) if isinstance(default, str) else default
        arguments.append(f"{name}: float" + ("" if value is None else f" = {value!r}"))
    arguments += [f"curvature: str | None = {literal(curvature)}", "**options: Any"]
    line = f"def objective({', '.join(arguments)}) -> {adapter}:"
    return line if len(line) <= 120 else f"def objective(\n    {', '.join(arguments)}\n) -> {adapter}:"


def literal(value: Any, indent: int = 0) -> str:
    """Data as Python writes it, in lines of at most `WIDTH` characters where that can be."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, Mapping | list):
        return repr(value)
    pad = " " * (indent + 4)
    if isinstance(value, Mapping):
        parts = [f"{literal(k)}: {literal(v, indent + 4)}" for k, v in value.items()]
    else:
        parts = [literal(v, indent + 4) for v in value]
    start, end = "{}" if isinstance(value, Mapping) else "[]"
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) + indent <= WIDTH - 20 and "\n" not in line:
        return line
    inner = "".join(f"{pad}{part},\n" for part in parts)
    return f"{start}\n{inner}{' ' * indent}{end}"


def _one_line(text: str) -> str:
    """Text that can stand in a docstring."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())
