"""The process that loads a model that nobody has tried yet: `python -m streamapp.registering.child FOLDER`.

FOLDER holds `request.json`; `step` says how far it came, `result.json` what came of it. A crash writes neither.
"""

import resource
import sys
from pathlib import Path

import msgspec

from streamapp.config.settings import ModelSettings
from streamapp.errors import DependencyError, StreamappError
from streamapp.infer.faults import blame, shorten
from streamapp.infer.loading import load_model
from streamapp.protocols import Signature
from streamapp.registering.sample import check_answer, random_rows, read_rows

REQUEST, STEP, RESULT, SAMPLE = "request.json", "step", "result.json", "sample.json"
_MAX_WRITTEN_BYTES = 256 << 20


class Request(msgspec.Struct, frozen=True):
    """What to try. folder: of the model's files, absolute; memory_bytes: all that this process may hold."""

    folder: str
    artefact: str
    runtime: str
    sha256: str
    memory_bytes: int
    declared: Signature | None = None
    sample: bool = False


class Result(msgspec.Struct, frozen=True):
    """A signature, or the code and the message of an error; memory says that it ran out."""

    signature: Signature | None = None
    code: str = ""
    message: str = ""
    memory: bool = False


def main(work: Path) -> None:
    """Answer the request in `work`."""
    request = msgspec.json.decode((work / REQUEST).read_bytes(), type=Request)
    _limit(resource.RLIMIT_DATA, request.memory_bytes)
    _limit(resource.RLIMIT_FSIZE, _MAX_WRITTEN_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        result = Result(_try(request, work))
    except StreamappError as error:
        result = Result(code=error.code, message=str(error), memory=_ran_out(error))
    except Exception as error:  # noqa: BLE001 - a loader may raise anything, and what it says is all we tell
        message = shorten(f"{type(error).__name__}: {error}")
        result = Result(code="model_load", message=message, memory=_ran_out(error))
    (work / RESULT).write_bytes(msgspec.json.encode(result))


def _try(request: Request, work: Path) -> Signature:
    (work / STEP).write_text("loaded")
    model = ModelSettings(
        name="trial", path=Path(request.artefact), runtime=request.runtime, device="cpu", sha256=request.sha256
    )
    runtime = load_model(model, request.declared, Path(request.folder))
    try:
        signature = runtime.signature
        (work / STEP).write_text("scored")
        rows = read_rows(work / SAMPLE, signature) if request.sample else random_rows(signature)
        count = len(next(iter(rows.values())))
        for taken in sorted({1, count}):
            part = {name: values[:taken] for name, values in rows.items()}
            check_answer(signature, runtime.infer(part), taken)
    finally:
        runtime.close()
    return signature


def _ran_out(error: BaseException | None) -> bool:
    """Did memory run out, here or in a cause?"""
    while isinstance(error, Exception):
        if isinstance(blame(error), DependencyError):
            return True
        error = error.__cause__
    return False


def _limit(what: int, value: int) -> None:
    """Lower a limit of this process as far as the system lets us."""
    _, hard = resource.getrlimit(what)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (bound, bound))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
