"""The format of what stands in the control topics: what is folded differently by two versions of streamapp has two."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from streamapp.errors import UnknownFormat

FORMAT = 1
"""The newest that this version knows; it knows all before it. What says no number is of format 1."""


class _Head(Struct):
    format: Annotated[int, Meta(ge=1)] = 1


def format_of(value: bytes) -> int:
    """The format of a JSON object. Raises `UnknownFormat` for a newer one, `msgspec.MsgspecError` for no such
    object."""
    found = msgspec.json.decode(value, type=_Head).format
    if found > FORMAT:
        raise UnknownFormat(
            f"it is of format {found}, and this version of streamapp knows up to {FORMAT}: upgrade it. It follows no "
            "further, as it would come to another state than the others"
        )
    return found
