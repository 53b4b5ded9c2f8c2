"""What to say about a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 20


def choices(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, and all of them: `did you mean 'a'? There are: a, b`."""
    names = sorted(known)
    if not names:
        return "there are none"
    near = get_close_matches(name, names, n=1)
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"did you mean {near[0]!r}? There are: {listed}" if near else f"there are: {listed}"
