"""What a `torch.export` archive may hold: a graph and raw tensors, no pickled objects and no native code.

`torch.export.load` falls back to full unpickling (`weights_only=False`) for entries marked so, for custom objects, for
the layouts of torch 2.7 and older, and for sample inputs that fail a safe load; it also picks up compiled libraries.
Each is refused here before torch sees the file.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator

from streamapp.errors import ModelLoadError

_ALLOWED = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/.*|extra/.*|\.format_version"
    r"|models/[^/]+\.json|data/sample_inputs/[^/]+\.pt"
    r"|data/weights/(weight_\d+|[^/]+_weights_config\.json)"
    r"|data/constants/(tensor_\d+|[^/]+_constants_config\.json)"
)


def check_archive(content: bytes, load_safely: Callable[[bytes], object]) -> None:
    """Raise `ModelLoadError` if the archive holds anything that could be unpickled or run as native code.

    load_safely: opens a `torch.save` stream without unpickling objects (`weights_only=True`) or raises.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            problem = _names_problem(names) or next(_pickles(archive), "")
            samples = [archive.read(name) for name in names if "/data/sample_inputs/" in name]
    except (zipfile.BadZipFile, ValueError, KeyError, AttributeError, TypeError, RuntimeError) as error:
        raise ModelLoadError("not a torch.export archive, or a damaged one") from error
    if problem:
        raise ModelLoadError(problem)
    try:
        for sample in filter(None, samples):
            load_safely(sample)
    except Exception as error:
        raise ModelLoadError("its sample inputs hold pickled objects; refused") from error


def _names_problem(names: list[str]) -> str:
    roots = {name.partition("/")[0] for name in names}
    inner = [name.partition("/")[2] for name in names]
    if len({name.lower() for name in names}) != len(names) or len(roots) != 1:
        return "its entries are ambiguous; refused"
    if not any(name.startswith("models/") for name in inner):
        return "it is not a torch.export archive, or one of torch 2.7 or older: export it again with a current torch"
    odd = [name for name in inner if not _ALLOWED.fullmatch(name)]
    return (
        f"it holds `{odd[0]}`, which is neither a graph nor a tensor (pickled or compiled code); refused" if odd else ""
    )


def _pickles(archive: zipfile.ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        if name.endswith(("_weights_config.json", "_constants_config.json")):
            for key, entry in json.loads(archive.read(name))["config"].items():
                if entry.get("use_pickle", True) or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
                    yield f"its tensor `{key}` is pickled; refused, export it as a plain tensor"
