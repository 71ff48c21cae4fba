"""What one types in Python: distil, list the models, get one."""
from .distilling import DistillResult, distill
from .models import get_model, list_models

__all__ = ['DistillResult', 'distill', 'get_model', 'list_models']
