"""`streamapp dlq` against a broker: every case for every broker, and those that need transactions."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamapp.config.load import load_pipeline
from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_decoder
from streamapp.dlq.choose import Fate, Tally
from streamapp.dlq.filters import LetterFilter
from streamapp.dlq.look import find_letter, find_letters
from streamapp.dlq.replay import ReplayOptions, replay
from streamapp.encode import encode_dead_letters
from streamapp.errors import ConfigError
from streamapp.testing.clock import ManualClock
from streamapp.types import Place, RecordBatch
from tests.kafka_io import Outgoing, create_topics, produce, read_all

PARTITIONS = 2
PATIENCE_POLLS = 100
EVERYTHING = LetterFilter()
DISTANCE = "streamapp.errors.field"

_PIPELINE = """
name: flights
kafka: {{bootstrap.servers: "{servers}"}}
source: {{topics: [{source}]}}
event:
  id: id
  fields:
    id: {{dtype: string}}
    distance: {{dtype: float32, le: {most}}}
    carrier: {{dtype: string, required: false, max_length: 4}}
variants:
  champion:
    model: {{name: delay, path: absent.onnx}}
    weight: 1
    inputs: {{x: [distance]}}
    outputs: {{late: {{tensor: p}}}}
predictions: {{topic: {source}-out}}
dead_letters: {{topic: {dead}}}
"""


class Desk:
    """A pipeline file, its topics and its dead letters, as a worker would have written them."""

    def __init__(self, servers: str, folder: Path, topic: Callable[[str], str], *, transactions: bool) -> None:
        self.servers, self.folder = servers, folder
        self.source, self.dead = topic("flights"), topic("dead")
        self.options = ReplayOptions(transactions=transactions)

    async def create(self) -> None:
        await create_topics(self.servers, {self.source: PARTITIONS, self.dead: PARTITIONS})

    def pipeline(self, most: int = 100) -> Path:
        path = self.folder / f"pipeline-{most}.yaml"
        path.write_text(_PIPELINE.format(servers=self.servers, source=self.source, dead=self.dead, most=most))
        return path

    def settings(self, most: int = 100) -> PipelineSettings:
        return load_pipeline(self.pipeline(most), [])

    async def fail(
        self, events: Sequence[bytes | None], headers: Sequence[tuple[str, bytes]] = (), first: int = 0
    ) -> None:
        """Dead letters of the events that the pipeline refuses; event i had offset `first` + i of partition i % 2."""
        settings = self.settings()
        n = len(events)
        records = RecordBatch(
            [self.source] * n,
            np.arange(n, dtype=np.int32) % PARTITIONS,
            np.arange(first, first + n),
            np.arange(first, first + n, dtype=np.int64) + 1_700_000_000_000,
            [b"key-%d" % (i % 7) for i in range(n)],
            list(events),
            [tuple(headers)] * n,
        )
        decoded = build_decoder(settings.source, settings.event, self.folder).decode(records)
        out = encode_dead_letters(records, decoded.failures, decoded.ids, self.dead)
        await self.write(out.values, out.keys, out.partitions.tolist(), out.headers)

    async def write(self, values, keys, partitions, headers) -> None:
        rows = zip(values, keys, partitions, headers, strict=True)
        await produce(self.servers, self.dead, [Outgoing(v, k, p, h) for v, k, p, h in rows])

    async def replay(self, wanted: LetterFilter = EVERYTHING, most: int = 1000, **changes: object) -> Tally:
        options = ReplayOptions(**{"transactions": self.options.transactions, **changes})  # type: ignore[arg-type]
        return await replay(self.settings(most), self.folder, wanted, options, ManualClock())

    async def copies(self, *, committed_only: bool = True) -> list:
        if committed_only and self.options.transactions:
            await self._decided()
        return await read_all(self.servers, self.source, committed_only=committed_only)

    async def _decided(self) -> None:
        """Return once no transaction is open: the broker writes its marker after it has answered the commit."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, isolation_level="read_committed")
        await consumer.start()
        try:
            partitions = [TopicPartition(self.source, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            for _ in range(PATIENCE_POLLS):
                await consumer.getmany(timeout_ms=100)
                if all(0 <= _end(consumer, p) == consumer.last_stable_offset(p) for p in partitions):
                    return
            raise AssertionError("a transaction stays open")
        finally:
            await consumer.stop()

    def command(self, *arguments: str, before: str = "") -> subprocess.Popen[bytes]:
        """`streamapp dlq …` as a process; `before` is run in it first."""
        line = f"sys.argv = ['streamapp', 'dlq', *{arguments!r}]"
        code = f"import sys\n{before}\nfrom streamapp.cli.main import main\n{line}\nmain()"
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def said(self, *arguments: str) -> tuple[int, bytes, bytes]:
        with self.command(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def _end(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
    end = consumer.highwater(partition)
    return -1 if end is None else end


def flight(i: int, distance: object = 500, **more: object) -> bytes:
    return orjson.dumps({"id": f"f{i}", "distance": distance, **more})


def headers_of(record: object) -> Mapping[str, bytes]:
    return dict(record.headers)  # type: ignore[attr-defined]


def ids(records: Sequence) -> Counter[str]:
    return Counter(orjson.loads(record.value)["id"] for record in records)


class DlqCases:
    """What holds on every broker."""

    async def test_a_copy_is_the_original_record(self, desk: Desk) -> None:
        await desk.fail([flight(0), flight(1)], [("traceparent", b"00-x"), ("raw", b"\xff")])
        tally = await desk.replay()
        assert tally.fates == {Fate.REPLAYED: 2, Fate.INVALID: 0, Fate.REFUSED: 0}
        copies = await desk.copies()
        assert [(c.key, c.value, c.partition) for c in copies] == [(b"key-0", flight(0), 0), (b"key-1", flight(1), 1)]
        assert all(c.timestamp > 1_750_000_000_000 for c in copies)  # old ones could fall to the topic's retention
        assert list(copies[1].headers) == [
            ("traceparent", b"00-x"),
            ("raw", b"\xff"),
            ("streamapp.replay.timestamp", b"1700000000001"),
            ("streamapp.replay.of", f"{desk.source}/1/1".encode()),
            ("streamapp.replay.letter", f"{desk.dead}/1/0".encode()),
            ("streamapp.replay.count", b"1"),
            ("streamapp.replay.origin", f"{desk.source}/1/1".encode()),
        ]
        assert len(await read_all(desk.servers, desk.dead)) == 2  # nothing is deleted

    async def test_twice_is_once(self, desk: Desk) -> None:
        await desk.fail([flight(i) for i in range(30)])
        assert (await desk.replay(batch_rows=7)).fates[Fate.REPLAYED] == 30
        again = await desk.replay(batch_rows=7)
        assert (again.fates[Fate.REPLAYED], again.fates[Fate.ALREADY]) == (0, 30)
        await desk.fail([flight(i) for i in range(30, 40)], first=30)
        assert (await desk.replay()).fates[Fate.REPLAYED] == 10
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(40)}

    async def test_a_letter_written_twice_goes_back_once(self, desk: Desk) -> None:
        await desk.fail([flight(0)])
        await desk.fail([flight(0)])
        tally = await desk.replay()
        assert (tally.fates[Fate.REPLAYED], tally.fates[Fate.ALREADY]) == (1, 1)

    async def test_filters_limit_and_dry_run(self, desk: Desk) -> None:
        late, long = flight(5, 500, carrier="UNITED"), flight(2, 50, carrier="UNITED")
        await desk.fail([flight(0), b"{", long, flight(3), flight(4), late])
        by_code, by_field = LetterFilter(codes=frozenset({"out_of_range"})), LetterFilter(fields=frozenset({"carrier"}))
        dry = await desk.replay(by_code, dry_run=True)
        assert (dry.fates[Fate.REPLAYED], dry.invalid) == (3, {("too_long", "carrier"): 1})
        assert await desk.copies() == []
        found = await find_letters(desk.settings(), EVERYTHING, 2)
        assert found.counts == {
            ("decode", "out_of_range", "distance"): 4,
            ("decode", "not_json", ""): 1,
            ("decode", "too_long", "carrier"): 1,
        }
        assert (len(found.newest), found.replayed) == (2, set())
        found = await find_letters(desk.settings(), by_field, None)
        assert [letter.source for letter in found.newest] == [Place(desk.source, 0, 2)]
        assert (await desk.replay(LetterFilter(until_ms=1))).fates == {}
        assert (await desk.replay(LetterFilter(partitions=frozenset({1})), limit=1)).fates[Fate.REPLAYED] == 1
        assert ids(await desk.copies()) == {"f3": 1}
        assert (await desk.replay(by_code, limit=1)).fates[Fate.REPLAYED] == 1
        assert len((await find_letters(desk.settings(), EVERYTHING, None)).replayed) == 2
        last = await desk.replay()
        assert last.fates[Fate.REPLAYED] == 1
        assert last.invalid == {("not_json", ""): 1, ("too_long", "carrier"): 2}

    async def test_only_what_a_repaired_schema_takes_goes_back(self, desk: Desk) -> None:
        await desk.fail([flight(0, 150), flight(1, 5000), b"not json"])
        assert (await desk.replay(most=100)).fates[Fate.INVALID] == 3
        assert await desk.copies() == []
        tally = await desk.replay(most=1000)
        assert tally.fates[Fate.REPLAYED] == 1
        assert tally.invalid == {("out_of_range", "distance"): 1, ("not_json", ""): 1}
        forced = await desk.replay(most=1000, validate=False)
        assert (forced.fates[Fate.REPLAYED], forced.fates[Fate.ALREADY]) == (2, 1)

    async def test_what_fails_again_shows_how_often_it_was_sent_back(self, desk: Desk) -> None:
        await desk.fail([flight(0)])
        for round_ in (1, 2):
            assert (await desk.replay(validate=False)).fates[Fate.REPLAYED] == 1
            copy = (await desk.copies())[-1]
            await desk.fail([copy.value], copy.headers, first=10 * round_)
        found = await find_letters(desk.settings(), EVERYTHING, None)
        assert sorted(letter.replays for letter in found.newest) == [0, 1, 2]
        names = [name for name, _ in copy.headers]
        assert names == sorted(set(names), key=names.index)
        assert headers_of(copy)["streamapp.replay.count"] == b"2"
        assert headers_of(copy)["streamapp.replay.timestamp"] == b"1700000000000"
        assert headers_of(copy)["streamapp.replay.origin"] == f"{desk.source}/0/0".encode()
        assert headers_of(copy)["streamapp.replay.of"] == f"{desk.source}/0/10".encode()

    async def test_what_cannot_go_back_is_counted(self, desk: Desk) -> None:
        cause = [("__connect.errors.topic", desk.source.encode()), ("__connect.errors.partition", b"0")]
        omitted = [*cause, ("__connect.errors.offset", b"7"), ("streamapp.value.omitted", b"record_too_large")]
        elsewhere = [("__connect.errors.topic", b"else"), *cause[1:], ("__connect.errors.offset", b"7")]
        await desk.write([None, b"{}", b"{}"], [b"k"] * 3, [0] * 3, [omitted, elsewhere, ()])
        tally = await desk.replay(validate=False)
        assert tally.fates == {Fate.OMITTED: 1, Fate.FOREIGN: 2}
        assert await desk.copies() == []

    async def test_one_letter_by_its_place_or_by_its_events(self, desk: Desk) -> None:
        await desk.fail([flight(i) for i in range(6)])
        await desk.replay(LetterFilter(places=frozenset({Place(desk.source, 1, 3)})))
        letter, replayed = await find_letter(desk.settings(), Place(desk.source, 1, 3))
        assert (letter.place, letter.id, replayed) == (Place(desk.dead, 1, 1), "f3", True)
        letter, replayed = await find_letter(desk.settings(), Place(desk.dead, 0, 2))
        assert (letter.source, letter.id, replayed) == (Place(desk.source, 0, 4), "f4", False)
        with pytest.raises(ConfigError, match="no dead letter is at"):
            await find_letter(desk.settings(), Place(desk.dead, 0, 3))

    async def test_the_command_line(self, desk: Desk) -> None:
        await desk.fail([flight(0), flight(1, carrier="é")])
        pipeline = str(desk.pipeline(1000))
        status, out, _ = await asyncio.to_thread(desk.said, "list", pipeline, "--output=json", "--code=out_of_range")
        lines = [orjson.loads(line) for line in out.splitlines()]
        assert status == 0
        assert sorted((line["id"], line["code"], line["field"], line["replayed"]) for line in lines) == [
            ("f0", "out_of_range", "distance", False),
            ("f1", "out_of_range", "distance", False),
        ]
        _, out, _ = await asyncio.to_thread(desk.said, "list", pipeline, "--summary")
        assert out.decode().split()[4:] == ["2", "decode", "out_of_range", "distance", "2", "dead", "letters"]
        _, out, _ = await asyncio.to_thread(desk.said, "show", pipeline, f"{desk.source}/1/1")
        assert out.decode().splitlines()[-1] == flight(1, carrier="é").decode()
        how = [] if desk.options.transactions else ["--without-transactions"]
        _, out, _ = await asyncio.to_thread(desk.said, "replay", pipeline, *how, "--since=1h", "--output=json")
        assert orjson.loads(out)["replayed"] == 2
        _, out, _ = await asyncio.to_thread(desk.said, "replay", pipeline, *how)
        assert [line.split()[0] for line in out.decode().splitlines()] == ["0", "2"]
