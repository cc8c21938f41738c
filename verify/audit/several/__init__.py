"""What is wrong with foreign code of several raw scores a row: K classes, or a mean and a scale?

The same questions as of one raw score, of matrices: which layout and which labels the code wants (`layout`), whether
each entry is right and which known mistake gives the numbers (`relations`), what happens further out (`range`). A
Hessian may be asked for whole or, as boosters want it, as its diagonal.
"""

from .audit import examine

__all__ = ["examine"]
