"""What a TorchScript archive may hold: the code and constants of `torch.jit.save`, and no operator that opens files.

TorchScript is a small language that torch interprets while it loads (`__setstate__`) and scores. Its operators compute,
but for `aten::save` and `aten::from_file`, which write and map whatever path the file names. The code is read before
torch sees it, as Python's grammar has it, in which it is written, so that no way of writing a name hides it.
"""

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

from streamapp.errors import ModelLoadError

_OPENS_FILES = frozenset({"save", "from_file"})
_MOST_CODE_BYTES = 64 << 20


def is_torchscript(path: Path) -> bool:
    """Is this the archive that `torch.jit.save` writes?"""
    try:
        with zipfile.ZipFile(path) as archive:
            inner = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "constants.pkl" in inner and any(name.startswith("code/") for name in inner)


def check_code(path: Path) -> None:
    """Raise `ModelLoadError` if the code of a TorchScript archive opens files, or cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            # torch finds an entry without regard to case; what is read here must be what torch reads.
            if len({entry.filename.lower() for entry in entries}) != len(entries):
                raise ModelLoadError("its entries are ambiguous; refused")
            code = [entry for entry in entries if entry.filename.lower().endswith(".py")]
            if sum(entry.file_size for entry in code) > _MOST_CODE_BYTES:
                raise ModelLoadError(f"it holds more than {_MOST_CODE_BYTES >> 20} MiB of code; refused")
            named = {name for entry in code for name in _operators(archive.read(entry))}
    except (zipfile.BadZipFile, OSError, ValueError, SyntaxError, RuntimeError, MemoryError) as error:
        raise ModelLoadError("its code cannot be read; refused") from error
    if found := sorted(named & _OPENS_FILES):
        raise ModelLoadError(f"its code names `{found[0]}`, with which TorchScript opens files; refused")


def _operators(source: bytes) -> Iterator[str]:
    """Whatever could name an operator of torch: `torch.save`, or the text in `getattr(torch, "save")`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
