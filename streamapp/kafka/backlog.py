"""How much a worker holds that is not acknowledged, and whether it takes more. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Backlog:
    """Paused at either limit, and taken up again at half of both: each change of mind costs a fetch."""

    limit_rows: int
    limit_bytes: int
    rows: int = 0
    size_bytes: int = 0
    paused: bool = False

    def room(self) -> int:
        """Rows that may still be fetched; 0 while paused. Any thread."""
        return 0 if self.paused else max(0, self.limit_rows - self.rows)

    def add(self, rows: int, size_bytes: int) -> bool:
        """Hold that much more; whether this was what paused it."""
        self.rows += rows
        self.size_bytes += size_bytes
        full = not self.paused and (self.rows >= self.limit_rows or self.size_bytes >= self.limit_bytes)
        self.paused = self.paused or full
        return full

    def remove(self, rows: int, size_bytes: int) -> bool:
        """Hold that much less; whether this was what resumed it."""
        self.rows -= rows
        self.size_bytes -= size_bytes
        eased = self.paused and 2 * self.rows <= self.limit_rows and 2 * self.size_bytes <= self.limit_bytes
        self.paused = self.paused and not eased
        return eased
