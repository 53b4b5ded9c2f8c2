"""What `streamapp init` writes: a pipeline that works once trained, each file made to be changed."""

from pathlib import Path

from streamapp.errors import ConfigError

_STARTER = Path(__file__).parent / "starter"


def write_starter(directory: Path) -> list[Path]:
    """Write the starter's files below `directory`, made if absent; the paths written.

    Raises `ConfigError` before anything is written if one of the files is there already.
    """
    sources = sorted(p for p in _STARTER.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    contents = {directory / source.relative_to(_STARTER): source.read_bytes() for source in sources}
    there = [str(path) for path in contents if path.exists()]
    if there:
        raise ConfigError(
            f"already there: {', '.join(there)}\n  -> choose another directory: streamapp init my-pipeline"
        )
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return list(contents)
