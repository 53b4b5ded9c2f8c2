"""The model registry: immutable versions with their manifests, and aliases that move between them.

Importing this package imports no model library and no storage library.
"""

from streamapp.models.manifest import Manifest
from streamapp.models.registry import Registry

__all__ = ["Manifest", "Registry"]
