"""How is a loss used? Generated code behind checked arrays; needs NumPy alone."""

from .catalog import losses
from .errors import ArtifactError, DomainViolation, EnvironmentLacking, ParameterError
from .function import LossFunction

__all__ = ["ArtifactError", "DomainViolation", "EnvironmentLacking", "LossFunction", "ParameterError", "losses"]
