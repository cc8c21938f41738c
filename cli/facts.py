"""What does the catalogue say about its losses? Read from generated/facts, without SymPy and NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
GENERATED = Path(__file__).resolve().parent.parent / "generated"
FACTS = GENERATED / "facts"
ACCURACY = GENERATED / "accuracy.json"  # measured, not derived: written by docs/accuracy.py


def catalogue() -> dict[str, Facts]:
    """Title, summary, family and formula of every catalogue loss, by name; {} before the first build."""
    index = FACTS / "index.json"
    losses: dict[str, Facts] = json.loads(index.read_text(encoding="utf-8"))["losses"] if index.exists() else {}
    return losses


def facts(name: str) -> Facts | None:
    """Everything that was derived of a catalogue loss; None when nothing is written down of such a loss."""
    if name not in catalogue():
        return None
    known: Facts = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
    if ACCURACY.exists():
        measured = json.loads(ACCURACY.read_text(encoding="utf-8"))
        known["accuracy"] = measured["losses"].get(name, {})
    return known
