"""Try a model in a process of its own: its crash, hang or hunger is a refusal, not our end.

The process gets a time limit, a memory limit, a folder of its own to stand in, and none of our environment but what
Python needs: credentials are not for it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streamapp.errors import ConfigError, ContractError, InferenceError, ModelLoadError, StreamappError
from streamapp.infer.faults import shorten
from streamapp.models.manifest import ModelFile
from streamapp.protocols import Signature
from streamapp.registering.child import REQUEST, RESULT, SAMPLE, STEP, Request, Result

_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_ERRORS: dict[str, type[StreamappError]] = {
    kind.code: kind for kind in (ConfigError, ContractError, InferenceError, ModelLoadError)
}
_LOG = "log"
_LOG_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the trial: seconds of wall time, GiB of memory."""

    time_s: float = 120.0
    memory_gib: float = 8.0


def try_model(
    folder: Path, artefact: ModelFile, runtime: str, declared: Signature | None, sample: Path | None, limits: Limits
) -> Signature:
    """Load the artefact in `folder` and score a sample; its signature.

    sample: a JSON file of real rows; None for random numbers. Raises `ModelLoadError`, `ContractError`,
    `ConfigError` (a sample that does not fit).
    """
    with tempfile.TemporaryDirectory(prefix="streamapp-trial-") as name:
        work = Path(name)
        memory_bytes = int(limits.memory_gib * (1 << 30))
        given = sample is not None
        if sample is not None:
            _copy_sample(sample, work / SAMPLE)
        request = Request(str(folder.resolve()), artefact.path, runtime, artefact.sha256, memory_bytes, declared, given)
        (work / REQUEST).write_bytes(msgspec.json.encode(request))
        status = _run(work, limits)
        return _verdict(work, status, limits, folder, given=given)


def _run(work: Path, limits: Limits) -> int:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    environment = {**kept, "PYTHONPATH": paths, "HOME": str(work), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "streamapp.registering.child", str(work)]
    with (
        (work / _LOG).open("wb") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=work,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait(limits.time_s)
        except subprocess.TimeoutExpired as error:
            raise ModelLoadError(
                f"the model could not be {_step(work)} within {limits.time_s:g} s and was stopped; "
                "if it needs longer, raise --time-limit-s"
            ) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)


def _verdict(work: Path, status: int, limits: Limits, folder: Path, *, given: bool) -> Signature:
    result = _result(work)
    if result is None:
        raise ModelLoadError(
            f"the process in which the model was to be {_step(work)} {_end(status)}{_last_words(work)}; refused. "
            f"Its memory was limited to {limits.memory_gib:g} GiB (--memory-limit-gib)"
        )
    if result.signature is not None:
        return result.signature
    if result.memory:
        raise ModelLoadError(
            f"the model needs more than {limits.memory_gib:g} GiB to be {_step(work)}; refused. "
            "If that is right, raise --memory-limit-gib"
        )
    kind = _ERRORS.get(result.code, ModelLoadError)
    message = result.message.replace(f"{folder.resolve()}/", "")
    if kind is InferenceError:
        hint = "; these were random numbers: if the model is right to refuse them, give it real rows (--sample)"
        raise ModelLoadError(f"the model fails for the sample: {message}{'' if given else hint}")
    raise kind(message)


def _result(work: Path) -> Result | None:
    try:
        return msgspec.json.decode((work / RESULT).read_bytes(), type=Result)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _end(status: int) -> str:
    if status >= 0:
        return f"ended by itself with status {status}"
    try:
        return f"died of {signal.Signals(-status).name}"
    except ValueError:
        return f"died of signal {-status}"


def _step(work: Path) -> str:
    try:
        return (work / STEP).read_text()[:20]
    except FileNotFoundError:
        return "loaded"


def _last_words(work: Path) -> str:
    with (work / _LOG).open("rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_BYTES))
        lines = log.read().decode(errors="replace").strip().splitlines()
    words = "".join(c for c in shorten(lines[-1]) if c.isprintable()) if lines else ""
    return f" ({words})" if words else ""


def _copy_sample(sample: Path, into: Path) -> None:
    try:
        shutil.copyfile(sample, into)
    except OSError as error:
        raise ConfigError(f"sample {sample}: {error.strerror}") from error
