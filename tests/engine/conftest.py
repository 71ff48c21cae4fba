"""The small distiller of the distillers' tests."""
from ..distillers.conftest import recipe

__all__ = ['recipe']
