"""What a variant's answers brought."""

from dataclasses import dataclass

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Rewards:
    """The number of labels of rows that a variant answered, their sum, and the sum of their squares."""

    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """Of one label; NaN without any."""
        return self.total / self.count if self.count else float("nan")

    @property
    def within(self) -> bool:
        """Whether these can be sums of so many values in [0, 1]: no square is above its value there. What is outside
        may hide among values between 0 and 1, and cannot where all others are 0 or 1."""
        spare = _ROUNDING * (1 + abs(self.count))
        return -spare <= self.total <= self.count + spare and -spare <= self.squares <= self.total + spare

    def scaled(self, low: float, high: float) -> "Rewards":
        """Of (label - low) / (high - low)."""
        span = high - low
        squares = self.squares - 2 * low * self.total + self.count * low * low
        return Rewards(self.count, (self.total - self.count * low) / span, squares / span**2)

    def about(self, center: float) -> float:
        """The sum of squared deviations from `center`."""
        return max(0.0, self.squares - 2 * center * self.total + self.count * center * center)

    def __add__(self, other: "Rewards") -> "Rewards":
        return Rewards(self.count + other.count, self.total + other.total, self.squares + other.squares)

    def __sub__(self, other: "Rewards") -> "Rewards":
        return Rewards(self.count - other.count, self.total - other.total, self.squares - other.squares)
