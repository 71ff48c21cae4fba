"""The Hugging Face hub: ``hf://ORG/NAME[@REVISION][/FILE]``, and what its errors mean to a user.

``address`` reads such an address, ``pulling`` downloads its file, ``pushing`` publishes a student under it, ``card``
writes what stands beside the weights, ``errors`` says in one line what went wrong, and ``reach`` whether there is a
network. The package ``huggingface_hub`` is optional and imported when it is needed.
"""
from .address import SCHEME, HubAddress, read_address
from .errors import hub_errors, is_offline
from .pulling import pull
from .pushing import check_target, push, repository_files

__all__ = ['SCHEME', 'HubAddress', 'check_target', 'hub_errors', 'is_offline', 'pull', 'push', 'read_address',
           'repository_files']
