from dataclasses import replace

from streamapp.config.settings import EventSettings, SourceSettings
from streamapp.decode import build_decoder
from streamapp.dlq.choose import Fate, Tally, choose
from streamapp.types import Place
from tests.unit.dlq.test_letter import letter

_EVENT = EventSettings.model_validate(
    {"id": "id", "fields": {"id": {"dtype": "string"}, "distance": {"dtype": "float32", "le": 100}}}
)


def at(offset: int, value: bytes | None = b'{"id":"a","distance":1}'):
    return replace(letter(value), source=Place("payments", 0, offset))


def test_each_letter_has_one_fate(tmp_path) -> None:
    decoder = build_decoder(SourceSettings(topics=("payments",)), _EVENT, tmp_path)
    good, late = at(1), at(9)
    again, other = at(1), replace(at(3), source=Place("orders", 0, 3))
    far, empty = at(4, b'{"id":"a","distance":101}'), at(5, None)
    omitted = replace(at(6, None), cause={"streamapp.value.omitted": "record_too_large"})
    strange = replace(at(7), source=None)
    tally = Tally()
    found = [good, again, other, far, empty, omitted, strange, late]
    assert choose(found, {at(9).failed_key}, ["payments"], decoder, tally) == [good]
    assert tally.fates == {Fate.ALREADY: 2, Fate.FOREIGN: 2, Fate.OMITTED: 1, Fate.INVALID: 2}
    assert tally.invalid == {("out_of_range", "distance"): 1, ("empty", ""): 1}


def test_without_a_decoder_nothing_is_decoded() -> None:
    tally = Tally()
    assert choose([at(1, b"no"), at(2, None)], set(), ["payments"], None, tally) == [at(1, b"no"), at(2, None)]
    assert tally.fates == {}
