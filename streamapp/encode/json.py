"""Predictions as JSON, column by column."""

from collections.abc import Iterable
from itertools import repeat

import orjson

from streamapp.encode.answered import Answered
from streamapp.encode.fragments import constants, numbers, strings
from streamapp.types import Freshness, ScoredBatch

CONTENT_TYPE = b"application/json"
FRESHNESS = tuple(state.name.lower() for state in Freshness)
"""How a freshness is written, by its number."""

_FRESHNESS = tuple(orjson.dumps(name) for name in FRESHNESS)


class JsonPredictions:
    """Writes one JSON object per answered row; docs/wire.md lists its fields."""

    content_type = CONTENT_TYPE

    def __init__(self, include_event: bool = False) -> None:
        self._include_event = include_event

    def encode(self, scored: ScoredBatch, part: Answered) -> list[bytes]:
        """The k values of one variant's rows.

        Everything that the rows share is written once; what differs is written a column at a time and the pieces are
        joined per row, so that no dictionary is built.
        """
        rows = part.rows.tolist()
        ids = scored.events.ids
        pieces: list[Iterable[bytes]] = [repeat(b'{"id":'), strings([ids[row] for row in rows])]
        before = b',"scores":{'
        for j, name in enumerate(part.names):
            pieces += [repeat(before + orjson.dumps(name) + b":"), numbers(part.scores[:, j])]
            before = b","
        pieces += [repeat(b"}," + _variant(part)), numbers(scored.events.event_times_ms[part.rows])]
        before = b',"scored_at":%d' % scored.scored_at_ms
        if part.views:
            before += b',"features":{'
            for j, view in enumerate(part.views):
                pieces += [repeat(before + orjson.dumps(view) + b':{"age_s":'), numbers(part.ages_s[:, j])]
                pieces += [repeat(b',"freshness":'), constants(_FRESHNESS, part.freshness[:, j].tolist())]
                before = b"},"
            before = b"}}"
        pieces += [repeat(before + b',"source":{"topic":'), _origins(scored, part, rows)]
        pieces.append(numbers(scored.records.offsets[part.rows]))
        end = b',"fallback":' + orjson.dumps(part.fallback) + b"}" if part.fallback else b"}"
        if self._include_event:
            # It was decoded, so it is one JSON document, and goes in byte for byte.
            pieces += [repeat(b'},"event":'), [scored.records.values[row] or b"null" for row in rows], repeat(end)]
        else:
            pieces.append(repeat(b"}" + end))
        return list(map(b"".join, zip(*pieces, strict=False)))


def _variant(part: Answered) -> bytes:
    """The fields that all rows of a variant share, up to the value of `event_time`."""
    shared = {
        "variant": part.variant.name,
        "model": part.variant.model_name,
        "model_version": part.variant.model_version,
    }
    return orjson.dumps(shared)[1:-1] + b',"event_time":'


def _origins(scored: ScoredBatch, part: Answered, rows: list[int]) -> list[bytes]:
    """Topic and partition of each row, up to the value of `offset`."""
    topics = scored.records.topics
    seen: dict[tuple[str, int], bytes] = {}
    origins = list(zip([topics[row] for row in rows], scored.records.partitions[part.rows].tolist(), strict=True))
    for topic, partition in set(origins):
        seen[topic, partition] = orjson.dumps(topic) + b',"partition":%d,"offset":' % partition
    return list(map(seen.__getitem__, origins))
