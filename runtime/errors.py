"""What can go wrong when a loss is used, and how do callers tell it apart?

Wrong types of arrays raise TypeError, wrong shapes ValueError, as NumPy does;
the classes here name what NumPy has no word for.
"""

from __future__ import annotations


class DomainViolation(ValueError):
    """A target, prediction, label or weight lies where the loss is not defined."""


class ParameterError(ValueError):
    """A parameter is unknown, missing, not a number, or outside its domain."""


class ArtifactError(RuntimeError):
    """Generated code or facts are absent or do not have the expected form."""


class EnvironmentLacking(RuntimeError):
    """The machine lacks what was demanded, such as a working C compiler."""
