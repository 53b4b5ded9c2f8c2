"""What a TorchScript archive may hold: the code and constants of `torch.jit.save`, and only operators that compute.

TorchScript is a small language that torch interprets while it loads (`__setstate__`) and scores. The code is read
before torch sees it, as Python's grammar has it, in which it is written, so that no way of writing a name hides it:

1. Operators and classes are reached through the words `torch`, `ops` and `__torch__` alone, and only in the form that
   `torch.jit.save` writes: `torch.operator`, `ops.namespace.operator`, `__torch__.path.of.a.type`. A bare word, which
   could be given another name, is refused.
2. Namespaces are those that compute. Others, of torch (`c10d` speaks to other processes) or of a library that was
   loaded beside it (`image::read_file` of torchvision), are refused.
3. In these namespaces `save` and `from_file` write and map whatever path the file names, and some of `prim` call Python
   or other processes; they are refused by name.
"""

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

from streamapp.errors import ModelLoadError

OPENS_FILES = frozenset({"save", "from_file"})
OPERATORS = frozenset(
    {
        "_quantized",
        "aten",
        "mkldnn",
        "mkldnn_prepacked",
        "onednn",
        "prepacked",
        "prim",
        "profiler",
        "quantized",
        "sparse",
    }
)
"""Namespaces of operators that a model may name."""
CLASSES = frozenset({"mkldnn", "profiler", "quantized", "rnn", "sparse", "xnnpack"})
"""Namespaces of classes, likewise: packed weights, and what `record_function` needs."""
_LEAVES_THE_PROCESS = frozenset({"IgnoredPythonOp", "PythonOp", "rpc_async", "rpc_remote", "rpc_sync"})
_TYPES = ("__torch__", "torch", "classes")
_MOST_CODE_BYTES = 64 << 20


def is_torchscript(path: Path) -> bool:
    """Is this the archive that `torch.jit.save` writes?"""
    try:
        with zipfile.ZipFile(path) as archive:
            inner = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "constants.pkl" in inner and any(name.startswith("code/") for name in inner)


def check_code(path: Path, opens_files: frozenset[str] = OPENS_FILES) -> None:
    """Raise `ModelLoadError` if the code of a TorchScript archive does more than compute, or cannot be read.

    opens_files: operators to refuse because they do.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            # torch finds an entry without regard to case; what is read here must be what torch reads.
            if len({entry.filename.lower() for entry in entries}) != len(entries):
                raise ModelLoadError("its entries are ambiguous; refused")
            code = [entry for entry in entries if entry.filename.lower().endswith(".py")]
            if sum(entry.file_size for entry in code) > _MOST_CODE_BYTES:
                raise ModelLoadError(f"it holds more than {_MOST_CODE_BYTES >> 20} MiB of code; refused")
            trees = [ast.parse(archive.read(entry)) for entry in code]
    except (zipfile.BadZipFile, OSError, ValueError, SyntaxError, RuntimeError, MemoryError) as error:
        raise ModelLoadError("its code cannot be read; refused") from error
    named = {name for tree in trees for name in _names(tree)}
    if found := sorted(named & opens_files):
        raise ModelLoadError(f"its code names `{found[0]}`, with which TorchScript opens files; refused")
    if found := sorted(named & _LEAVES_THE_PROCESS):
        raise ModelLoadError(f"its code names `{found[0]}`, with which TorchScript calls others; refused")
    if found := sorted(".".join(path) for tree in trees for path in _paths(tree) if not _computes(path)):
        raise ModelLoadError(
            f"its code names `{found[0]}`, which is none of the operators and types that compute; refused"
        )


def _names(tree: ast.AST) -> Iterator[str]:
    """Whatever could name an operator of torch: `torch.save`, or the text in `getattr(torch, "save")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
            yield from [node.func.id] if isinstance(node.func, ast.Name) else []


def _paths(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every path that begins with a name, as long as it is written: `torch.add`, `ops.prim.device`, `x`."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        path: list[str] = []
        if id(node) in inner:
            continue
        while isinstance(node, ast.Attribute):
            path.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            yield (node.id, *reversed(path))


def _computes(path: tuple[str, ...]) -> bool:
    match path:
        case ("torch", *rest):
            return len(rest) == 1
        case ("ops", *rest):
            return len(rest) == 2 and rest[0] in OPERATORS
        case ("__torch__", *_) if path[:3] == _TYPES:
            return len(path) > 3 and path[3] in CLASSES
        case ("__torch__", *_):
            return path not in (_TYPES[:1], _TYPES[:2])
    return True
