"""Conditions over evidence: `error_rate < 0.01 and latency_p99_ms <= 1.2 * champion_latency_p99_ms`.

The words are Python's: comparisons (which chain), `and`, `or`, `not`, `+ - * /`, numbers, and the names of evidence.
Nothing else is read, so a condition cannot call, index or import anything.
"""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from streamapp.errors import ConfigError

_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_CALCULATE: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST = 500
"""Characters, far beyond what a person writes."""
_DEEPEST = 50
"""Levels of nesting. Reading, writing and judging a condition take a few frames of the stack for each."""
_HOW = "write comparisons of numbers and evidence joined by `and`, `or`, `not`, as in `error_rate < 0.01`"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been read. names: the evidence that it looks at."""

    text: str
    names: frozenset[str]
    _root: ast.expr

    def holds(self, evidence: Mapping[str, float]) -> bool | None:
        """Whether it is true; None if that depends on evidence that is absent or NaN.

        Absence is Kleene's third truth value: `a or b` is true once one of them is, whatever the other may be.
        """
        return _truth(self._root, evidence)

    def explain(self, evidence: Mapping[str, float]) -> str:
        """The condition with the numbers it was judged on: `error_rate < 0.01 (error_rate = 0.034)`."""
        seen = ", ".join(f"{name} = {_written(evidence.get(name))}" for name in sorted(self.names))
        return f"{self.text} ({seen})"


def parse_condition(text: str, known: Collection[str]) -> Condition:
    """Read a condition over the evidence named in `known`. Raises `ConfigError` that says what is wrong with it.

    >>> parse_condition("error_rate < 0.01", ["error_rate"]).holds({"error_rate": 0.5})
    False
    """
    if len(text) > _LONGEST:
        raise ConfigError(f"condition of {len(text)} characters: at most {_LONGEST} are read")
    try:
        if "#" in text:
            raise SyntaxError("a comment would hide what follows")
        root = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deeply for the parser
        raise ConfigError(f"condition `{text}` cannot be read: {_HOW}") from None
    if _deeper_than(_DEEPEST, root):
        raise ConfigError(f"condition `{text}` is nested deeper than {_DEEPEST} levels: write fewer terms or signs")
    _check_truth(root, text)
    names = frozenset(node.id for node in ast.walk(root) if isinstance(node, ast.Name))
    if not names:
        raise ConfigError(f"condition `{text}` looks at no evidence: {_HOW}")
    unknown = sorted(names.difference(known))
    if unknown:
        listed = ", ".join(sorted(known))
        raise ConfigError(f"condition `{text}`: no evidence is called `{unknown[0]}`; there is {listed}")
    return Condition(text.strip(), names, root)


def _deeper_than(levels: int, root: ast.expr) -> bool:
    """Without recursion, which is what this is to guard."""
    level: list[ast.AST] = [root]
    for _ in range(levels):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return bool(level)


def _check_truth(node: ast.expr, text: str) -> None:
    """Refuse what is not a condition, all the way down."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check_truth(value, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check_truth(node.operand, text)
    elif isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        for value in (node.left, *node.comparators):
            _check_number(value, text)
    else:
        raise ConfigError(f"condition `{text}`: `{ast.unparse(node)}` is neither true nor false: {_HOW}")


def _check_number(node: ast.expr, text: str) -> None:
    if isinstance(node, ast.BinOp) and type(node.op) in _CALCULATE:
        _check_number(node.left, text)
        _check_number(node.right, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check_number(node.operand, text)
    elif not isinstance(node, ast.Name) and not math.isfinite(_constant(node)):
        raise ConfigError(f"condition `{text}`: `{ast.unparse(node)}` is not a number: {_HOW}")


def _constant(node: ast.expr) -> float:
    """The number that stands there; NaN for anything else."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        return math.nan
    try:
        return float(node.value)
    except OverflowError:
        return math.inf


def _truth(node: ast.expr, evidence: Mapping[str, float]) -> bool | None:
    if isinstance(node, ast.BoolOp):
        decisive = isinstance(node.op, ast.Or)
        found = [_truth(value, evidence) for value in node.values]
        return decisive if decisive in found else None if None in found else not decisive
    if isinstance(node, ast.UnaryOp):
        inner = _truth(node.operand, evidence)
        return None if inner is None else not inner
    return _compared(node, evidence)


def _compared(node: Any, evidence: Mapping[str, float]) -> bool | None:
    values = [_number(value, evidence) for value in (node.left, *node.comparators)]
    pairs = zip(values, node.ops, values[1:], strict=False)
    found = [
        None if math.isnan(left) or math.isnan(right) else _COMPARE[type(op)](left, right) for left, op, right in pairs
    ]
    return False if False in found else None if None in found else True


def _number(node: Any, evidence: Mapping[str, float]) -> float:
    """NaN for what is not known."""
    if isinstance(node, ast.Constant):
        return _constant(node)
    if isinstance(node, ast.Name):
        return float(evidence.get(node.id, math.nan))
    if isinstance(node, ast.UnaryOp):
        return -_number(node.operand, evidence)
    left, right = _number(node.left, evidence), _number(node.right, evidence)
    try:
        return _CALCULATE[type(node.op)](left, right)
    except ZeroDivisionError:
        return math.nan


def _written(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:.6g}"
