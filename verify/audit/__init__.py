"""Is a gradient that somebody else wrote right, and if not, what is wrong with it?

`conventions` finds out how the code is called, `process` runs it where it can do no harm, `ground` knows the truth,
`relations` and `mistakes` know what people get wrong, `range` follows right code to where it fails, `report` tells.
"""

from __future__ import annotations

from .audit import audit
from .report import Report

__all__ = ["Report", "audit"]
