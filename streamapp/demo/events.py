"""Flights as Kafka records: the event before departure, and the outcome after arrival."""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import orjson
import pandas as pd

from streamapp.demo.faults import Fields
from streamapp.types import Int64

_FIELDS = ("flight_id", "carrier", "origin", "dest", "tailnum", "hour", "minute", "month", "weekday", "distance")


def milliseconds(moments: "pd.Series[pd.Timestamp]") -> Int64:
    """Moments as ms since the epoch, int64 (n,)."""
    epoch = pd.Timestamp(0, tz="UTC")
    return np.asarray((moments - epoch) // pd.Timedelta(milliseconds=1), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Departures:
    """n flights that are about to depart. ids: lists of n; scheduled_ms int64 (n,)."""

    ids: list[str]
    scheduled_ms: Int64
    columns: Sequence[list[str | int | float | None]]

    @staticmethod
    def of(flights: pd.DataFrame) -> "Departures":
        """The events of `FlightData.flights`."""
        columns = [flights[name].tolist() for name in _FIELDS]
        return Departures(flights["flight_id"].tolist(), milliseconds(flights["scheduled"]), columns)

    def event(self, row: int) -> Fields:
        """The event of one flight."""
        fields: dict[str, str | int | float | None] = {
            name: column[row] for name, column in zip(_FIELDS, self.columns, strict=True)
        }
        fields["scheduled"] = int(self.scheduled_ms[row])
        return fields


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """k flights that arrived, in the order of arrival. arrived_ms int64 (k,), late bool (k,)."""

    ids: list[str]
    arrived_ms: Int64
    late: list[bool]

    @staticmethod
    def of(flights: pd.DataFrame) -> "Arrivals":
        """The outcomes of those `FlightData.flights` that have one."""
        landed = flights[flights["late"].notna()].sort_values(["arrived", "flight_id"])
        return Arrivals(landed["flight_id"].tolist(), milliseconds(landed["arrived"]), (landed["late"] == 1.0).tolist())

    def outcome(self, row: int) -> bytes:
        """The record value of one outcome."""
        return orjson.dumps({"flight_id": self.ids[row], "late": self.late[row], "arrived": int(self.arrived_ms[row])})


def partition_of(flight_id: str, partitions: int) -> int:
    """The partition of everything about one flight."""
    return crc32(flight_id.encode()) % partitions
