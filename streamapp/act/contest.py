"""Which of two variants has the higher mean reward, looked at as often as one likes, while their shares change.

Between two looks k the shares are constant. Of n1 rewards of the candidate and n0 of the champion that came then, each
counts as s = (n0 / n) (x - a) or s = -(n1 / n) (x - a), n = n1 + n0, with a the mean of all rewards before. Their sum
is n1 n0 / n times the difference of the two means of that interval, the weights that give the least variance; the level
drops out of it. Where the candidate is not better, the values s have together a mean of at most 0 given n1 and n0, so
bets on them do not gain (`streamapp.bets`): P(capital ever reaches 1 / alpha) <= alpha, however the shares were chosen
from what was seen before, and whatever the level does from one interval to the next. That is what a comparison of
totals does not have: with shares that move, it compares times of day as well as variants (Simpson's paradox).

Assumed: rewards in [0, 1] that are independent, and within an interval of one distribution per variant and of constant
shares. Not so where a routing key has many labels, which resemble each other, nor where labels come later than their
interval while the level moves: then equal versions have winners (docs/experiments.md).
"""

from msgspec import Struct

from streamapp.act.rewards import Rewards
from streamapp.bets import log_capital

_LEVEL = 0.5
"""What rewards are taken from before any is known; a better one would only save time."""


class Contest(Struct, frozen=True, forbid_unknown_fields=True):
    """lead, spread: the sums of s and of s^2. candidate, champion: the rewards that are in them, scaled to [0, 1]."""

    lead: float = 0.0
    spread: float = 0.0
    candidate: Rewards = Rewards()
    champion: Rewards = Rewards()

    def grown(self, candidate: Rewards, champion: Rewards) -> "Contest":
        """With all rewards up to now, scaled to [0, 1]. Unchanged until both have new ones.

        Where they are fewer than before, as the report of a worker that is long gone was deleted, counting goes on from
        there: what came since the last look is not told from what went.
        """
        new, old = candidate - self.candidate, champion - self.champion
        if not (_grew(new) and _grew(old)):
            return Contest(self.lead, self.spread, candidate, champion)
        if not (new.count and old.count):
            return self
        known = self.candidate + self.champion
        center = known.mean if known.count else _LEVEL
        share = new.count / (new.count + old.count)
        return Contest(
            self.lead + (1 - share) * new.total - share * old.total,
            self.spread + (1 - share) ** 2 * new.about(center) + share**2 * old.about(center),
            candidate,
            champion,
        )

    @property
    def log_odds(self) -> tuple[float, float]:
        """Log capitals of betting that the candidate is better, and that it is worse."""
        return log_capital(self.lead, self.spread), log_capital(-self.lead, self.spread)


def _grew(rewards: Rewards) -> bool:
    return rewards.count >= 0 and rewards.within
