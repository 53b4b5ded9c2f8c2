"""References in string values: `${NAME}`, `${NAME:-default}`, `${file:/run/secrets/name}`; `$${` is a plain `${`.

Messages name the variable or the file, never a value.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from streamapp.config.problems import nearest

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)\}|\$\{")
_NAME = re.compile(r"^(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?$", re.DOTALL)


def substitute(text: str, environ: Mapping[str, str], base: Path) -> str:
    """`text` with its references replaced; paths of `file:` are relative to `base`.

    Raises ValueError (message, newline, remedy) for a missing variable, an unreadable file or a malformed reference.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        body = match["body"]
        if body is None:
            raise ValueError("`${` without its `}`\nclose it, or write `$${` for a plain `${`")
        if body.startswith("file:"):
            return _read(base / body.removeprefix("file:"), body)
        return _variable(body, environ)

    return _REFERENCE.sub(replacement, text)


def _variable(body: str, environ: Mapping[str, str]) -> str:
    match = _NAME.match(body)
    if match is None:
        forms = "write ${NAME}, ${NAME:-default} or ${file:path}; `$${` is a plain `${`"
        raise ValueError(f"`${{…}}` holds no reference\n{forms}")  # not quoted: it may be half of a password
    value = environ.get(match["name"])
    if value:
        return value
    default: str | None = match["default"]
    if default is not None:
        return default
    if value is not None:
        return value
    near = nearest(match["name"], environ)
    hint = f" (set is `{near}`)" if near else ""
    raise ValueError(
        f"environment variable {match['name']} is not set\nset it{hint}, or give a default: ${{{match['name']}:-…}}"
    )


def _read(path: Path, body: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"cannot read `{body}`: {reason}\nmake the file readable for this user") from error
