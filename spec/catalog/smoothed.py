"""Which losses of the catalogue stand in for one with a kink, when a second derivative is wanted?

Each tends to the loss on the left as its last parameter tends to 0; tests/test_curvatures.py checks it.
"""

from __future__ import annotations

SMOOTHED: dict[str, tuple[str, ...]] = {
    "absolute_error": ("charbonnier", "smooth_l1"),
    "pinball": ("smooth_pinball", "huber_pinball"),
    "hinge": ("smoothed_hinge",),
}
