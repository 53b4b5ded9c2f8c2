"""One run of one case: where, how big, with which seed, and where its figures go."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.oracle import Verdict
from tests.faults.recorder import Report, line_of
from tests.faults.size import Size
from tests.faults.stage import Stage, tails
from tests.faults.workers import Plant


@dataclass(frozen=True, slots=True)
class Trial:
    """What the fixture `trial` gives to a test.

    kafka: the version to test on; bootstrap_servers: the session's shared broker of that version, for cases that do
    not break it.
    """

    case: str
    run: int
    seed: int
    size: Size
    kafka: str
    bootstrap_servers: str
    folder: Path
    report: Report
    bug: Plant | None = None

    @property
    def random(self) -> Random:
        """A generator that starts anew from the seed."""
        return Random(self.seed)

    def with_bug(self, bug: Plant) -> "Trial":
        """The same run as a control: `bug` planted in every worker."""
        return replace(self, bug=bug)

    def stage(
        self,
        delivery: str,
        *,
        bootstrap_servers: str | None = None,
        partitions: int = 2,
        topic_config: Mapping[str, str] | None = None,
        **overrides: Any,
    ) -> Stage:
        """A stage for this run, on the shared broker unless told otherwise; `overrides` are sections of
        pipeline.yaml, merged into the suite's."""
        return Stage(
            bootstrap_servers or self.bootstrap_servers,
            self.folder,
            delivery=delivery,
            size=self.size,
            random=self.random,
            bug=self.bug,
            partitions=partitions,
            overrides=overrides,
            topic_config=topic_config,
        )

    def passed(self, stage: Stage, verdict: Verdict) -> None:
        """Record the figures, and fail where anything is wrong."""
        self._record(stage, verdict)
        assert not verdict.findings, f"{verdict.explain()}\n{tails(stage.workers)}"

    def caught(self, stage: Stage, verdict: Verdict, *kinds: str) -> None:
        """Record the figures of a control, and fail unless the verdict names every one of `kinds`."""
        self._record(stage, verdict)
        missed = set(kinds) - verdict.kinds
        assert not missed, f"the planted bug was not caught as {sorted(missed)}:\n{verdict.explain()}"

    def _record(self, stage: Stage, verdict: Verdict) -> None:
        line = line_of(
            verdict,
            case=self.case,
            delivery=stage.delivery,
            control=self.bug.__name__ if self.bug else "",
            kafka=self.kafka,
            run=self.run,
            seed=self.seed,
        )
        self.report.add(line)
