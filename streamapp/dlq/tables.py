"""What the command prints."""

import sys

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamapp.dlq.choose import Fate, Tally
from streamapp.dlq.letter import Letter
from streamapp.dlq.look import Found
from streamapp.dlq.write import as_json
from streamapp.plain import iso, safe

_SAID = {
    Fate.REPLAYED: "sent back",
    Fate.ALREADY: "sent back before",
    Fate.INVALID: "still invalid by this pipeline's schema; --force sends them all the same",
    Fate.OMITTED: "without their value, which was too large for a dead letter: they cannot be sent back",
    Fate.FOREIGN: "from no input topic of this pipeline",
    Fate.REFUSED: "refused by the broker: too large for the input topic, or their timestamp is not allowed",
}


def print_table(found: Found) -> None:
    """One row per letter; a line below says how many there are."""
    table = Table("letter", "written", "stage", "code", "field", "id", "event", "replays", "message", box=None)
    for letter in found.newest:
        table.add_row(*map(Text, _cells(letter, letter.failed_key in found.replayed)))
    console = _console()
    if found.newest:
        console.print(table)
    shown = "" if len(found.newest) == found.total else f", the newest {len(found.newest)} are shown (--limit 0: all)"
    console.print(f"{found.total} dead letters{shown}")


def print_json(found: Found) -> None:
    """One line per letter."""
    for letter in found.newest:
        sys.stdout.buffer.write(as_json(letter, letter.failed_key in found.replayed) + b"\n")
    sys.stdout.buffer.flush()


def print_summary(found: Found, *, as_json: bool) -> None:
    """Counts, the largest first."""
    table = Table("letters", "stage", "code", "field", box=None)
    for (stage, code, field), count in found.counts.most_common():
        if as_json:
            line = {"letters": count, "stage": stage, "code": code, "field": field}
            sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
        table.add_row(*map(Text, (str(count), *map(safe, (stage, code, field)))))
    sys.stdout.buffer.flush()
    if not as_json:
        _console().print(table)
        _console().print(f"{found.total} dead letters")


def print_tally(tally: Tally, *, dry_run: bool, as_json: bool) -> None:
    """What became of the letters."""
    if as_json:
        invalid = [{"letters": n, "code": code, "field": field} for (code, field), n in tally.invalid.most_common()]
        counts = {fate.value: tally.fates[fate] for fate in Fate}
        sys.stdout.buffer.write(orjson.dumps({**counts, "invalid": invalid, "dry_run": dry_run}) + b"\n")
        sys.stdout.buffer.flush()
        return
    console = _console()
    for fate in Fate:
        if tally.fates[fate] or fate is Fate.REPLAYED:
            said = "would be sent back" if dry_run and fate is Fate.REPLAYED else _SAID[fate]
            console.print(f"{tally.fates[fate]:>9}  {said}")
        if fate is Fate.INVALID:
            for (code, field), count in tally.invalid.most_common():
                console.print(Text(f"{count:>18}  {safe(code)} {safe(field)}".rstrip()))


def _cells(letter: Letter, replayed: bool) -> list[str]:
    source = "" if letter.source is None else str(letter.source)
    replays = f"{letter.replays or ''}{' sent back' if replayed else ''}".strip()
    place = f"{letter.place.partition}:{letter.place.offset}"
    texts = (letter.stage, letter.code, letter.field, letter.id, source, replays, letter.message)
    return [place, iso(letter.written_ms), *map(safe, texts)]


def _console() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())
