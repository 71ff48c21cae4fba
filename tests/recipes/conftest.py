"""The distiller's tests lend their small student and teacher."""
from ..distillers.conftest import build, recipe  # noqa: F401
