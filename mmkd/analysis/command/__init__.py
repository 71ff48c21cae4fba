"""What the commands ``mmkd analyse …`` share.

``arguments`` has their options and ``models`` the models that they name; ``images`` finds and ``batches`` reads the
images; ``progress`` says how far it is, and ``report`` writes the picture and the numbers.
"""
from .arguments import (
    add_image_arguments,
    add_model_arguments,
    add_output_arguments,
    analysed_images,
    analysed_models,
    settings_of,
)
from .batches import ImageBatches
from .images import ImageFolder, ImageSource, ValidationImages, find_images
from .models import AnalysedModel, build_models
from .progress import progress
from .report import Report

__all__ = ['AnalysedModel', 'ImageBatches', 'ImageFolder', 'ImageSource', 'Report', 'ValidationImages',
           'add_image_arguments', 'add_model_arguments', 'add_output_arguments', 'analysed_images', 'analysed_models',
           'build_models', 'find_images', 'progress', 'settings_of']
