"""Vision models of Hugging Face's ``transformers`` as students and teachers: ``dict(hf='facebook/dinov2-small')``.

``files`` reads what a repository or folder says of a model and of its images, ``loading`` builds the model with all of
its weights, and ``wrapper`` makes an OpenMMLab classifier of it. The package is optional and imported when needed.
"""
from .wrapper import HuggingFaceModel

__all__ = ['HuggingFaceModel']
