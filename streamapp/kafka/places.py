"""Where each partition was left, and so where its next records must begin. Pure; one thread's."""

from dataclasses import dataclass

from streamapp.kafka.ledger import Partition


@dataclass(frozen=True, slots=True)
class _Place:
    generation: int
    offset: int
    handed: bool
    """Whether records of this generation were handed over; if not, `offset` is what the group has committed."""


class Places:
    """The place of every partition, per generation of the consumer group."""

    def __init__(self) -> None:
        self._places: dict[Partition, _Place] = {}
        self._committed: dict[Partition, int] = {}

    def committed(self, partition: Partition, offset: int) -> None:
        """The broker has stored this offset."""
        self._committed[partition] = offset

    def assigned(self, partition: Partition, generation: int, offset: int | None) -> None:
        """The group's committed offset is where this generation goes on.

        None: there is none. Where we have stored one ourselves the broker forgot it, as it does when a topic is
        deleted, and ours is where the partition should go on.
        """
        at = self._committed.get(partition) if offset is None else offset
        if at is not None:
            self._places[partition] = _Place(generation, at, False)

    def left(self, partition: Partition, generation: int, offset: int) -> None:
        """Records up to `offset` were handed over, or are to be fetched again from there."""
        self._places[partition] = _Place(generation, offset, True)

    def moved(self, partition: Partition, generation: int, offset: int) -> bool:
        """Whether records that begin at `offset` are not where the partition was left: its log moved."""
        place = self._places.get(partition)
        return place is not None and (place.generation, place.offset) != (generation, offset)

    def missed(self, partition: Partition, generation: int, offset: int) -> int | None:
        """Where the first records of this generation should begin, if they begin at `offset` instead."""
        place = self._places.get(partition)
        if place is None or place.handed or place.generation != generation or place.offset == offset:
            return None
        return place.offset
