"""A control log in memory: commands are written, folded and decoded as on Kafka."""

from dataclasses import dataclass, field
from typing import Any

from streamapp.act.apply import Refusal, apply
from streamapp.act.commands import AnyCommand, Command, DeclaredVariant, Start, decode, encode
from streamapp.act.state import Rollout, State, decode_state, encode_state
from streamapp.act.steps import Step
from streamapp.types import Tenant

CANARY = {
    "champion": DeclaredVariant("champion", "scorer", "1", 1.0, 0.0),
    "champion-canary": DeclaredVariant("champion", "scorer", "1", 0.0, 0.0),
}


@dataclass
class MemoryLog:
    """Values as they were written, when the broker took them, and what they led to."""

    values: list[bytes] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    state: State = field(default_factory=State)
    now_ms: int = 0

    def write(self, kind: "type[Command]", **said: Any) -> Refusal | None:
        """Write a command; why it was refused, None if it took effect."""
        return self.append(encode(kind(**{"id": f"c{len(self.values)}", "by": "ann", "at_ms": self.now_ms, **said})))

    def send(self, command: AnyCommand) -> Refusal | None:
        """The same for a command that is signed already."""
        return self.append(encode(command))

    def append(self, value: bytes) -> Refusal | None:
        """The same for a value."""
        self.values.append(value)
        self.times_ms.append(self.now_ms)
        after = apply(self.state, decode(value), len(self.values), self.now_ms)
        if isinstance(after, Refusal):
            return after
        # What a worker that starts from a snapshot sees is the same.
        self.state = decode_state(encode_state(after))
        assert self.state == after
        return None

    def start(self, *steps: Step, model: str = "scorer", version: str = "2") -> Rollout:
        """A rollout under way, still loading."""
        said = {"model": model, "version": version, "tenant": Tenant("champion", version), "steps": steps}
        assert self.write(Start, expects=self.state.models[model], **said) is None
        return self.state.rollouts[model]
