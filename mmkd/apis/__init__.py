"""What one types in Python: list the models, get one."""
from .models import get_model, list_models

__all__ = ['get_model', 'list_models']
