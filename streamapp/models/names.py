"""What may name a model, a version, an alias or a file: nothing that could lead out of the registry."""

import re

from streamapp.errors import RegistryError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@ -]{0,199}")
_SHOWN_CHARS = 60


def check_name(text: str, what: str) -> str:
    """`text` if it may name a model, a version or an alias. Raises `RegistryError`.

    >>> check_name("fraud-2.1", "model")
    'fraud-2.1'
    """
    if not is_name(text):
        raise RegistryError(
            f"{shown(text)} cannot name a {what}: letters, digits, `.`, `_` and `-`, beginning with a letter or a "
            "digit, no `..`, at most 100 characters"
        )
    return text


def is_name(text: str) -> bool:
    """Would `check_name` pass it?"""
    return _NAME.fullmatch(text) is not None and ".." not in text


def check_file_path(text: str) -> str:
    """`text` if it is a plain relative path with `/` between its parts. Raises `RegistryError`.

    >>> check_file_path("weights/part_0.bin")
    'weights/part_0.bin'
    """
    if ".." in text or any(_PART.fullmatch(part) is None for part in text.split("/")):
        raise RegistryError(
            f"{shown(text)} cannot name a file of a model: a relative path of letters, digits, spaces and `._+=@-`, "
            "without `..`"
        )
    return text


def shown(text: str) -> str:
    """`text` in quotes, shortened, without what steers a terminal."""
    return ascii(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")
