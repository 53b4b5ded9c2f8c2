"""Which letters are sent back, and why the others are not."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from streamapp.dlq.letter import Letter, originals
from streamapp.protocols import Decoder


class Fate(str, Enum):
    """What a replay does with a letter."""

    REPLAYED = "replayed"
    ALREADY = "already_replayed"
    INVALID = "still_invalid"
    OMITTED = "value_omitted"
    FOREIGN = "not_of_this_pipeline"
    REFUSED = "refused_by_broker"


@dataclass(slots=True)
class Tally:
    """Letters by what became of them, and those that are still invalid by code and field."""

    fates: Counter[Fate] = field(default_factory=Counter)
    invalid: Counter[tuple[str, str]] = field(default_factory=Counter)


def choose(
    found: Sequence[Letter], replayed: Collection[str], topics: Collection[str], decoder: Decoder | None, tally: Tally
) -> list[Letter]:
    """The letters to send back, in their order; the others are counted in `tally`.

    replayed: the `failed_key` of every letter that was sent back before. topics: the pipeline's inputs. Letters that
    `decoder` refuses stay where they are; without one nothing is decoded.
    """
    left: dict[str, Letter] = {}
    for letter in found:
        fate = _fate(letter, topics)
        if fate is None and (letter.failed_key in replayed or letter.failed_key in left):
            fate = Fate.ALREADY
        if fate is None:
            left[letter.failed_key] = letter
        else:
            tally.fates[fate] += 1
    chosen = list(left.values())
    if decoder is None or not chosen:
        return chosen
    # As events of the input topic, with the timestamps that their copies get.
    failures = decoder.decode(originals(chosen)).failures
    tally.fates[Fate.INVALID] += len(failures)
    tally.invalid.update((failure.code, failure.field) for failure in failures.values())
    return [letter for row, letter in enumerate(chosen) if row not in failures]


def _fate(letter: Letter, topics: Collection[str]) -> Fate | None:
    if letter.source is None or letter.source.topic not in topics:
        return Fate.FOREIGN
    return Fate.OMITTED if letter.omitted else None
