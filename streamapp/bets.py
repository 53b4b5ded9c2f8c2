"""Bets on values in [-1, 1], whose capital a chance that favours nobody rarely multiplies: the ground of inference that
may be looked at at any moment.

A bet of size b in (0, 1) on a value s >= -1 multiplies a capital by exp(b s - price(b) s^2) <= 1 + b s, so where s has
a mean of at most 0, given what was before, the expected capital does not grow (Fan, Grama and Liu 2015, "Exponential
inequalities for martingales with applications", Lemma 4.1). By Ville's inequality it then exceeds 1 / alpha at any time
with probability at most alpha. Sums of s and of s^2 are all that is needed, for all bets at once.
"""

import numpy as np

from streamapp.types import Float64

# Up to 0.58, where b = 2 price(b), a capital falls with the mean on all of [0, 1]. The smallest bet is the best one at
# about 10^8 units; beyond, an interval stops narrowing at the best rate but stays valid.
BETS: Float64 = np.asarray(0.58 * 2.0 ** (-0.5 * np.arange(22)), np.float64)


def price(bets: Float64) -> Float64:
    """Of the square, for bets in (0, 1): -log(1 - b) - b."""
    found: Float64 = -np.log1p(-bets) - bets
    return found


def log_capital(total: float, squares: float) -> float:
    """Log capital of equal stakes on every one of `BETS`, after values of this sum and this sum of squares."""
    exponents = BETS * total - price(BETS) * squares
    top = exponents.max()
    return float(top + np.log(np.exp(exponents - top).mean()))
