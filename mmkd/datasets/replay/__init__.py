"""Views that can be seen again: what each image is in each epoch follows from a seed, and from nothing else."""
from .dataset import ReplayedDataset
from .loader import replay_loader
from .mixing import Mixing
from .views import ViewIndex

__all__ = ['Mixing', 'ReplayedDataset', 'ViewIndex', 'replay_loader']
