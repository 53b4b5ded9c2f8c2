"""The scale of a stream: what its reference says is normal."""

from dataclasses import dataclass

from streamapp.types import Float64

CLIP = 6.0
"""Standard scores are cut off here, so that no single block is evidence enough for an alarm."""
_MAX_PHI = 0.95


@dataclass(frozen=True, slots=True)
class Scale:
    """Turns block means into residuals that are near independent, with mean 0 and spread 1, under no change.

    A block mean x_t that depends on the one before becomes w_t = (x_t - phi x_(t-1)) / (1 - phi), which has the
    same mean; its standard score is (w_t - mean) / spread. That is the residual chart of Alwan and Roberts (1988,
    "Time-series modeling for statistical process control"): detectors that assume independent values keep
    their false alarm rate on a stream whose rows move together.
    """

    phi: float
    mean: float
    spread: float

    def standardise(self, block: float, before: float) -> float:
        """Standard score of a block mean, given the one before it."""
        z = ((block - self.phi * before) / (1.0 - self.phi) - self.mean) / self.spread
        return min(max(z, -CLIP), CLIP)


def fit(blocks: Float64) -> Scale:
    """The scale of reference block means float64 (n,), n >= 5, finite.

    phi is the first autocorrelation, corrected for its bias in short series (Kendall 1954, "Note on bias in
    the estimation of autocorrelation"), within [0, 0.95]. A constant reference gets a spread near zero, so any
    other block scores +-CLIP.
    """
    n = len(blocks)
    centred = blocks - blocks.mean()
    power = float(centred @ centred)
    floor = max(1e-9 * abs(float(blocks.mean())), 1e-12)
    if power <= n * floor * floor:
        return Scale(0.0, float(blocks.mean()), floor)
    raw = float(centred[1:] @ centred[:-1]) / power
    phi = min(max((n * raw + 1.0) / (n - 3.0), 0.0), _MAX_PHI)
    residuals = (blocks[1:] - phi * blocks[:-1]) / (1.0 - phi)
    return Scale(phi, float(residuals.mean()), max(float(residuals.std(ddof=1)), floor))
