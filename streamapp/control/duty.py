"""A worker's part in control: it follows the log, reports what it sees, and leads while it is the leader."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from streamapp.act.commands import Abort, AnyCommand, Declare, DeclaredVariant, encode
from streamapp.act.lead import Look, Pen, next_command
from streamapp.act.report import Report, Seen, decode_report, encode_report
from streamapp.act.rewards import Rewards
from streamapp.act.state import Rollout, State, decode_state, encode_state
from streamapp.control.broker_time import BrokerTime
from streamapp.control.client import Log, new_id
from streamapp.control.enforce import Enforcer
from streamapp.control.fleet import Fleet
from streamapp.control.fold import Entry, Fold
from streamapp.control.noting import Notes, Noting
from streamapp.control.overlap import remodelled, with_versions
from streamapp.errors import ControlError, DependencyError, UnknownFormat
from streamapp.protocols import Clock

log = logging.getLogger(__name__)

TICK_S = 0.2
"""How often a leader looks whether something is due."""
STATE_KEY = "state"


class Snapshots(Protocol):
    """The compacted topic of states."""

    async def save(self, key: str, value: bytes) -> None:
        """Write one."""
        ...

    async def load(self) -> Mapping[str, bytes]:
        """The latest of every key."""
        ...


class Reports(Protocol):
    """The topic of reports."""

    def send(self, key: str, value: bytes) -> None:
        """Best effort, without waiting."""
        ...

    async def follow(self, on_report: Callable[[str, int, bytes], None], caught_up: asyncio.Event) -> None:
        """Hand over the latest report of every worker (key, broker's timestamp in ms, value), and each new one."""
        ...


class Witness(Protocol):
    """What gathers evidence in this worker, and makes sense of everybody's."""

    def begin(self, state: State) -> None:
        """Gather what the rollouts under way need; may be said again."""
        ...

    def seen(self) -> Mapping[str, Seen]:
        """What this worker has seen, by model."""
        ...

    def merged(self, seen: Sequence[Seen]) -> tuple[Mapping[str, float], tuple[Rewards, Rewards]]:
        """The measures of all workers' evidence, and the rewards of candidate and champion."""
        ...

    @property
    def known(self) -> frozenset[str]:
        """The measures that there can be."""
        ...


class ControlDuty:
    """One worker's. `join` before it takes events, `run` beside it, `leave` at the end."""

    def __init__(
        self,
        control_log: Log,
        snapshots: Snapshots,
        reports: Reports,
        enforcer: Enforcer,
        witness: Witness,
        clock: Clock,
        notes: Notes | None = None,
        *,
        declared: Mapping[str, DeclaredVariant],
        leads: Callable[[], bool],
        report_interval_s: float,
    ) -> None:
        self._log, self._snapshots, self._reports = control_log, snapshots, reports
        self._enforcer, self._witness, self._clock = enforcer, witness, clock
        self._declared = dict(declared)
        self._leads = leads
        self._interval_s = report_interval_s
        self._fold = Fold(State())
        self._broker_time = BrokerTime(clock)
        self._waiting: dict[str, asyncio.Future[Entry]] = {}
        self._following: asyncio.Task[None] | None = None
        self._noting = None if notes is None else Noting(notes, self._send, self._signed_as_leader, clock)
        self._unsaved = asyncio.Event()
        self._joined = False
        self.name = f"{socket.gethostname()}-{os.getpid()}-{new_id()}"
        """This process, in reports and commands."""
        self.applied = 0
        """Commands that took effect while this worker followed."""
        self.refused = 0
        """Records that had none."""

    @property
    def state(self) -> State:
        """What the log has led to, as far as it was read."""
        return self._fold.state

    @property
    def revision(self) -> int:
        """The place in the log up to which everything is in force here."""
        return self._enforcer.revision

    @property
    def load_failures(self) -> int:
        """Versions that could not be loaded here, counted each time."""
        return self._enforcer.load_failures

    @property
    def leading(self) -> bool:
        """Whether this worker is the leader now."""
        return self._leads()

    async def join(self) -> None:
        """Return once every key is answered here as the log asks for.

        Raises `ControlError` if the log is not readable, or a variant that answers cannot be served. One that answers
        nobody is loaded beside; what cannot be had of it is reported and tried again as in any running worker.
        """
        # 1. From the latest snapshot on; without one from the beginning.
        snapshot = (await self._snapshots.load()).get(STATE_KEY)
        if snapshot is not None:
            self._fold = Fold(_state_of(snapshot))
        caught_up = asyncio.Event()
        self._following = asyncio.create_task(self._log.follow(self.state.revision, self._take, caught_up))
        await self._unless_it_ends(caught_up.wait())
        # 2. What this worker's own file says, if that is new.
        if self.state.declared != self._declared:
            await self._declare()
        # 3. The version of every variant that answers, loaded.
        self._joined = True
        self._aim()
        await self._unless_it_ends(self._enforcer.settled())
        for failed in self._enforcer.missing:
            raise ControlError(f"variant {failed.variant} is to serve what cannot be had here: {failed.reason}")

    async def run(self) -> None:
        """Follow, report and lead until cancelled. Raises `ControlError` if the log cannot be followed any more."""
        duties = [self._report(), self._lead(), self._note(), self._save()]
        tasks = [asyncio.ensure_future(duty) for duty in duties]
        try:
            await self._unless_it_ends(asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Say that this worker will not report again, and stop following."""
        if self._joined:
            self._send_report(leaving=True)
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._enforcer.close()

    async def _unless_it_ends(self, work: Awaitable[object]) -> None:
        """Wait for `work`; what ends the following of the log is raised."""
        following = self._following
        if following is None:
            raise RuntimeError("join first")
        waiting = asyncio.ensure_future(work)
        try:
            await asyncio.wait({following, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
                raise ControlError("the control log ended")
            await waiting
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    def _take(self, offset: int, at_ms: int, value: bytes) -> None:
        self._broker_time.hear(at_ms)
        before = self.state
        entry = self._fold.take(offset, at_ms, value)
        self._count(entry)
        if entry.refusal:
            log.info("control command at %d has no effect: %s", offset, entry.refusal)
        elif entry.command is not None:
            log.info("control revision %d: %s by %s", offset + 1, type(entry.command).__name__, entry.command.by)
        if entry.command is not None and (waiting := self._waiting.pop(entry.command.id, None)) is not None:
            waiting.set_result(entry)
        if self.state is not before and self._joined:
            self._aim()
            self._unsaved.set()

    def _count(self, entry: Entry) -> None:
        """What was read to catch up is history, and would look like news on a graph."""
        if self._joined and entry.refusal:
            self.refused += 1
        elif self._joined:
            self.applied += 1

    def _aim(self) -> None:
        """Let what serves and what is gathered follow the state."""
        theirs, ours = self.state.declared, self._declared
        self._enforcer.aim(with_versions(self.state.plan(), theirs, ours), remodelled(theirs, ours))
        self._witness.begin(self.state)

    async def _declare(self) -> None:
        refusal = ""
        while not self.state.has_replaced(self._declared):
            expects = self.state.declaration
            command = Declare(**self._signed(), expects=expects, variants=self._declared)
            refusal = (await self._send(command)).refusal
            if self.state.declared == self._declared:
                return
            if self.state.declaration == expects:  # nobody was faster
                break
        # Not written to the log: a worker of an older deployment may be started over and over.
        if self.state.has_replaced(self._declared):
            raise ControlError(
                "the variants of this worker's pipeline file were in force, and those of another file since revision "
                f"{self.state.declaration} of the control log (streamapp rollout history): start it with that file. To "
                "go back to this one: streamapp rollout declare --pipeline FILE, then start the workers with it"
            )
        # To serve by the log would leave the file for the next worker that starts, whenever that is.
        raise ControlError(f"this worker's pipeline file cannot be put in force: {refusal}")

    async def _send(self, command: AnyCommand) -> Entry:
        """Write a command and wait until it comes back."""
        waiting: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = waiting
        try:
            await self._log.append(encode(command))
            await self._unless_it_ends(waiting)
        finally:
            self._waiting.pop(command.id, None)
        return waiting.result()

    async def _report(self) -> None:
        while True:
            self._send_report()
            await self._enforcer.tidy()
            try:
                await asyncio.wait_for(self._enforcer.changed(), self._interval_s)
            except asyncio.TimeoutError:
                continue

    def _send_report(self, *, leaving: bool = False) -> None:
        report = Report(
            worker=self.name,
            revision=self._enforcer.revision,
            read=self.state.revision,
            loading=self._enforcer.loading,
            failed=self._enforcer.failed,
            seen=dict(self._witness.seen()),
            leaving=leaving,
        )
        self._reports.send(self.name, encode_report(report))

    async def _save(self) -> None:
        """Snapshots, so that a start does not read years of history; any worker's are as good."""
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            if self._leads():
                try:
                    await self._snapshots.save(STATE_KEY, encode_state(self.state))
                except DependencyError as error:
                    log.warning("the control state was not saved: %s", error)

    async def _lead(self) -> None:
        while True:
            if self._leads():
                log.info("this worker leads")
                await self._lead_while()
                log.info("this worker does not lead any more")
            await asyncio.sleep(TICK_S)

    async def _note(self) -> None:
        """Beside leading, which waits for no registry."""
        while self._noting is not None:
            if self._leads():
                await self._noting.once(self.state)
            await asyncio.sleep(TICK_S)

    async def _lead_while(self) -> None:
        fleet, caught_up = Fleet(self._interval_s), asyncio.Event()
        reading = asyncio.create_task(self._reports.follow(partial(_keep, fleet, self._broker_time), caught_up))
        try:
            while self._leads() and not reading.done():
                # Nothing is decided before everybody's latest report was read.
                if caught_up.is_set():
                    await self._lead_once(fleet)
                await asyncio.sleep(TICK_S)
            if reading.done():
                log.warning("reports are read anew: %r", reading.exception())
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _lead_once(self, fleet: Fleet) -> None:
        now_ms = self._broker_time.now_ms()
        if now_ms is None:
            return
        for rollout in [each for each in self.state.rollouts.values() if not each.over]:
            command = self._decided(rollout, fleet, Pen(new_id(), f"leader {self.name}", now_ms))
            if command is None:
                continue
            try:
                entry = await self._send(command)
            except DependencyError as error:
                # It may have been written all the same; then what it expects keeps it from taking effect twice.
                log.warning("a command of the leader was not acknowledged: %s", error)
                continue
            if entry.refusal:
                log.info("the leader's command had no effect: %s", entry.refusal)

    def _decided(self, rollout: Rollout, fleet: Fleet, pen: Pen) -> AnyCommand | None:
        try:
            evidence, rewards = self._witness.merged(fleet.seen(rollout.model, rollout.epoch))
            started = self.state.models[rollout.model]
            look = Look(fleet.waiting(started), fleet.failed(self.state, rollout), evidence, rewards)
            return next_command(rollout, look, pen, self._witness.known)
        except Exception as error:  # what one rollout meets must end that rollout, and not every leader in turn
            log.exception("no decision on rollout %s", rollout.id)
            reason = f"the leader cannot decide on it: {error!r}"
            return Abort(id=pen.id, by=pen.by, at_ms=pen.at_ms, rollout=rollout.id, reason=reason)

    def _signed_as_leader(self) -> dict[str, Any]:
        return {**self._signed(), "by": f"leader {self.name}"}

    def _signed(self) -> dict[str, Any]:
        return {"id": new_id(), "by": self.name, "at_ms": self._clock.now_ms()}


def _state_of(snapshot: bytes) -> State:
    """The state that was saved; the one before any command where that cannot be read, as the log has it all."""
    try:
        return decode_state(snapshot)
    except UnknownFormat:
        raise
    except ControlError as error:
        log.warning("the control log is read from its beginning, as the saved state cannot be: %s", error)
        return State()


def _keep(fleet: Fleet, broker_time: BrokerTime, key: str, at_ms: int, value: bytes) -> None:
    broker_time.hear(at_ms)
    try:
        fleet.take(decode_report(value), at_ms)
    except ControlError as error:
        log.warning("a report of %s cannot be read: %s", key, error)
