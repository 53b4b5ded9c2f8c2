"""The registry's alias of the version that answers, moved after what the control log has promoted.

A promotion is a fact once its record is in the log; the alias is a note about it. So the note must never undo what
somebody decided later, by whomever and however often it is written:
1. An alias that this promotion has moved before is left alone, whatever it says by now; its history tells.
2. One that was moved since the promotion's rollout or deployment was begun is left alone too, as that is a newer
   decision; but for a single move to the version that was replaced, which clocks that differ may have made newer.
3. Any other one is moved, in one step with looking where the storage can do that.
"""

from streamapp.act.state import Promotion
from streamapp.errors import UnknownVersion
from streamapp.models import Registry
from streamapp.models.aliases import Alias
from streamapp.models.times import ms_of_iso


class Registrar:
    """Keeps `alias` of every model in `registry`."""

    def __init__(self, registry: Registry, alias: str) -> None:
        self._registry = registry
        self._alias = alias

    def note(self, model: str, promotion: Promotion) -> str:
        """Let the alias mean the version that was promoted; what became of it, in words. Blocking.

        Raises `RegistryUnavailable` where trying again may help, its kind `RegistryForbidden` and `RegistryError` where
        it does not.
        """
        author = f"{promotion.by}, {promotion.id}"
        now = self._registry.alias(model, self._alias)
        if now is None or _outdated(now, promotion, author):
            try:
                now = self._registry.point(
                    model, self._alias, promotion.version, author, lambda now: _outdated(now, promotion, author)
                )
            except UnknownVersion:
                return (
                    f"{self._alias} {_stays(now)}: the registry has no version {promotion.version} of `{model}`, as of "
                    "one that only the pipeline file names"
                )
        return _said(now, promotion, author)


def _outdated(now: Alias, promotion: Promotion, author: str) -> bool:
    """Whether the alias is still what it was when this promotion's rollout or deployment was begun."""
    if now.version == promotion.version or any(move.who == author for move in now.history):
        return False
    newer = [move.target for move in now.history if ms_of_iso(move.when) > promotion.since_ms]
    return newer in ([], [promotion.before])


def _said(now: Alias, promotion: Promotion, author: str) -> str:
    ours = next((move for move in now.history if move.who == author), None)
    was = "" if ours is None else f"{now.alias} -> {ours.target}, before {ours.source or 'nothing'}"
    if now.version == promotion.version:
        return was or f"{now.alias} was {now.version} already"
    last = now.history[-1]
    newer = f"{last.who} moved it at {last.when}"
    return f"{was}; {now.version} since: {newer}" if was else f"{now.alias} {_stays(now)}: {newer}, which is newer"


def _stays(now: Alias | None) -> str:
    return "stays absent" if now is None else f"stays {now.version}"
