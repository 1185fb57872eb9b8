# SPDX-License-Identifier: Apache-2.0
"""Elo ratings: maximum a posteriori Bradley-Terry over all games, with the full covariance of the estimate.

A player has one strength. Moving first has one advantage for each board size and komi, and so has a drawn game its
odds (Davidson 1970). The prior ties each network to its parent with virtual draws, so that one that lost or won all its
games still has a finite rating. An interval belongs to a difference: ask `Ratings.difference`. Start at `fit_ratings`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
from numpy.typing import NDArray

ELO_PER_UNIT: Final = 400.0 / math.log(10.0)  # a unit is what the logistic function takes
QUANTILE: Final = 1.959964  # 95 % of a normal distribution lie within this many standard deviations
SPARSE_SHARE: Final = 0.1  # of the information matrix; where more of it is filled, dense algebra is faster
SMALL: Final = 100  # values for which dense algebra is always faster
MAX_STEPS: Final = 200
MAX_MOVE: Final = 3.0  # units in one step of Newton's method
TOLERANCE: Final = 1e-6  # units; a step that small leaves an error of its square


class Setting(NamedTuple):
    """What is played; moving first is worth the same in all games of a setting."""

    board_size: int
    komi: float


class Result(NamedTuple):
    """Games between two players in which each had the same colour."""

    black: str
    white: str
    wins: int  # of Black
    draws: int
    losses: int
    setting: Setting = Setting(9, 7.5)


class Rating(NamedTuple):
    """A difference of two players in Elo with its 95 % interval, and how many games the first has played."""

    elo: float
    low: float
    high: float
    games: int


class Effect(NamedTuple):
    """What a setting does to a game.

    Attributes:
        advantage: of moving first, in Elo.
        deviation: its standard deviation, in Elo.
        draw_share: of the games between equal players without that advantage.
    """

    advantage: float
    deviation: float
    draw_share: float


@dataclass(frozen=True)
class RatingModel:
    """What is assumed before any game.

    Attributes:
        virtual_draws: games that each network has drawn against its parent; two make the difference logistic, with
            a standard deviation of 315 Elo.
        ridge: inverse variance of a strength around the mean of the anchors, or zero, in units**-2. It makes the
            strengths of groups that never met finite. 1e-4 would shrink a chain of 1,000 networks by half.
        effect_deviation: standard deviation of a setting's advantage and of its log odds of a draw, in units;
            0: moving first is worth nothing.
    """

    virtual_draws: float = 2.0
    ridge: float = 1e-6
    effect_deviation: float = 3.0


@dataclass(frozen=True, eq=False)
class Ratings:
    """The fitted strengths of P players.

    Attributes:
        names: of the players, sorted.
        elo: [P]; the scale is that of the anchors. Without one only differences mean anything.
        covariance: [P, P] of `elo`, in Elo squared; zero for anchors.
        games: [P] int64, real games of each.
        components: [P] int32; players of one number are joined by games, directly or by others. Anchors are joined by
            their fixed ratings.
        anchors: the fixed ratings by name.
        effects: of each setting.
    """

    names: tuple[str, ...]
    elo: NDArray[np.float64]
    covariance: NDArray[np.float64]
    games: NDArray[np.int64]
    components: NDArray[np.int32]
    anchors: Mapping[str, float]
    effects: Mapping[Setting, Effect]

    def index(self, name: str) -> int:
        """Where a player stands in the arrays.

        Raises:
            ValueError: it is not one of the players.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(f"{name!r} is not one of the {len(self.names)} rated players") from None

    def difference(self, player: str, opponent: str) -> Rating | None:
        """How much stronger a player is than another; None where no games join them, however indirectly."""
        i, j = self.index(player), self.index(opponent)
        return self.above(opponent).get(player) if self.components[i] == self.components[j] else None

    def above(self, reference: str) -> dict[str, Rating]:
        """Every player that can be compared with the reference, as the difference from it, by name."""
        zero = self.index(reference)
        elo, half = self.elo - self.elo[zero], QUANTILE * np.sqrt(self.variance_from(zero))
        return {
            name: Rating(float(elo[i]), float(elo[i] - half[i]), float(elo[i] + half[i]), int(self.games[i]))
            for i, name in enumerate(self.names)
            if self.components[i] == self.components[zero]
        }

    def variance_from(self, zero: int) -> NDArray[np.float64]:
        """[P] variance of each player's difference from the player of this index, in Elo squared."""
        variance = np.diag(self.covariance) + self.covariance[zero, zero] - 2 * self.covariance[:, zero]
        return np.asarray(np.maximum(variance, 0.0))


def fit_ratings(
    results: Iterable[Result],
    parents: Mapping[str, str | None] | None = None,
    anchors: Mapping[str, float] | None = None,
    model: RatingModel | None = None,
) -> Ratings:
    """Rates every player that is named anywhere. The order of the results changes no bit of it.

    Args:
        results: all games; those of equal players, colours and setting are added up.
        parents: the network that each one grew out of, or None.
        anchors: players whose ratings are fixed, in Elo.
        model: the prior; by default `RatingModel()`.

    Raises:
        ValueError: a count is negative, or a player is its own opponent.
    """
    model = model if model is not None else RatingModel()
    problem = _Problem(list(results), parents or {}, anchors or {}, model)
    values = problem.maximum()
    return problem.ratings(values, _inverse(problem.information(values)))


class _Games(NamedTuple):
    """All games added up, as R rows sorted by player and setting, whatever the order in which they came.

    Attributes:
        players: [R, 2] int64, Black and White by their places in the sorted names.
        setting: [R] int64, places in `settings`.
        counts: [R, 3] float64: Black's wins, draws and losses.
        settings: sorted.
    """

    players: NDArray[np.int64]
    setting: NDArray[np.int64]
    counts: NDArray[np.float64]
    settings: tuple[Setting, ...]


def _added_up(results: Sequence[Result], place: Mapping[str, int]) -> _Games:
    settings = tuple(Setting(*setting) for setting in sorted({result.setting for result in results}))
    number = {setting: i for i, setting in enumerate(settings)}
    size = len(results)
    black, white, setting, wins, draws, losses = (
        np.fromiter(column, np.int64, size)
        for column in (
            (place[result.black] for result in results),
            (place[result.white] for result in results),
            (number[result.setting] for result in results),
            (result.wins for result in results),
            (result.draws for result in results),
            (result.losses for result in results),
        )
    )
    counts = np.stack([wins, draws, losses], 1)
    for row in np.flatnonzero((counts < 0).any(1) | (black == white))[:1]:
        first, second = results[row].black, results[row].white
        if first == second:
            raise ValueError(f"a player must have another as its opponent, got {first} twice")
        amounts = ", ".join(map(str, counts[row]))
        raise ValueError(f"counts must be 0 or more, got {amounts} of {first} against {second}")
    codes, rows = np.unique((black * len(place) + white) * max(1, len(settings)) + setting, return_inverse=True)
    pairs, setting = np.divmod(codes, max(1, len(settings)))
    players = np.stack(np.divmod(pairs, max(1, len(place))), 1)
    added = [np.bincount(rows, counts[:, k], minlength=len(codes)) for k in range(3)]  # whole numbers: exact
    return _Games(players, setting, np.stack(added, 1), settings)


class _Problem:
    """The posterior as a function of K values: free strengths, advantages, log odds of a draw, all in units.

    Rows are games of one kind: R of them, the virtual ones last. With d the difference in strength and advantage, Black
    wins, loses or draws as exp(d / 2), exp(-d / 2) and exp(log odds); a virtual game has no advantage and no draw, and
    is half won. The log-likelihood is concave, so that Newton's method finds the one maximum.
    """

    def __init__(
        self,
        results: Sequence[Result],
        parents: Mapping[str, str | None],
        anchors: Mapping[str, float],
        model: RatingModel,
    ) -> None:
        named = {result.black for result in results} | {result.white for result in results} | anchors.keys()
        named |= {name for pair in parents.items() for name in pair if name is not None}
        self._names = tuple(sorted(named))
        self._index = {name: i for i, name in enumerate(self._names)}
        self._anchors = dict(anchors)
        self._model = model
        games = _added_up(results, self._index)
        self._settings, self._setting = games.settings, games.setting
        self._drawn = np.unique(games.setting[games.counts[:, 1] > 0])  # settings with a draw
        self._has_advantages = model.effect_deviation > 0
        virtual = [(n, p) for n, p in sorted(parents.items()) if p is not None and p != n and model.virtual_draws > 0]
        ties = np.array([[self._index[name] for name in pair] for pair in virtual], np.int64).reshape(-1, 2)
        self._players = np.vstack([games.players, ties])
        half = model.virtual_draws / 2
        self._counts = np.vstack([games.counts, np.tile([half, 0.0, half], (len(virtual), 1))])
        self._total = self._counts.sum(1)
        self._lay_out()

    def _lay_out(self) -> None:
        """Fixes which value is which, and makes the design matrices and the prior."""
        fixed = np.full(len(self._names), np.nan)
        for name, elo in self._anchors.items():
            fixed[self._index[name]] = elo / ELO_PER_UNIT
        self._free = np.flatnonzero(np.isnan(fixed))
        self._fixed = np.where(np.isnan(fixed), 0.0, fixed)
        centre = float(np.mean(fixed[~np.isnan(fixed)])) if self._anchors else 0.0
        advantages = len(self._settings) if self._has_advantages else 0
        self._first_advantage, self._first_odds = len(self._free), len(self._free) + advantages
        self.size = self._first_odds + len(self._drawn)
        self._start = np.zeros(self.size)
        self._start[: len(self._free)] = centre
        self._precision = np.full(self.size, self._model.ridge)
        deviation = self._model.effect_deviation if self._has_advantages else 3.0
        self._precision[len(self._free) :] = deviation**-2
        rows, games = len(self._players), len(self._setting)
        place = np.full(len(self._names), -1)
        place[self._free] = np.arange(len(self._free))
        black, white = place[self._players].T
        one = np.arange(rows)
        parts = [(one[black >= 0], black[black >= 0], 1.0), (one[white >= 0], white[white >= 0], -1.0)]
        if self._has_advantages:
            parts.append((one[:games], self._first_advantage + self._setting, 1.0))
        self._design = _matrix(parts, (rows, self.size))
        self._can_draw = np.zeros(rows, bool)
        self._can_draw[:games] = np.isin(self._setting, self._drawn)
        drawing = np.flatnonzero(self._can_draw)
        odds = self._first_odds + np.searchsorted(self._drawn, self._setting[drawing])
        self._draws = _matrix([(drawing, odds, 1.0)], (rows, self.size))
        self._offset = self._fixed[self._players[:, 0]] - self._fixed[self._players[:, 1]]

    def maximum(self) -> NDArray[np.float64]:
        """[K] the values where the posterior is largest, by Newton's method with steps that never lose."""
        values, height = self._start, self._height(self._start)
        for _ in range(MAX_STEPS):
            step = _solved(self.information(values), self._slope(values))
            step *= min(1.0, MAX_MOVE / max(float(np.abs(step).max(initial=0.0)), 1e-300))
            if np.abs(step).max(initial=0.0) < TOLERANCE:
                return values + step
            while (higher := self._height(values + step)) < height - 1e-9 * abs(height):
                step = step / 2
            values, height = values + step, higher
        raise RuntimeError(f"ratings of {len(self._names)} players did not settle in {MAX_STEPS} steps")

    def _odds(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """[R] each: the difference, the log odds of a draw, and the logarithm of what the odds add up to."""
        difference = self._offset + self._design @ values
        draw = np.where(self._can_draw, self._draws @ values, -np.inf)
        total = np.logaddexp(difference / 2, -difference / 2)
        return difference, draw, np.logaddexp(total, draw) if len(self._drawn) else total

    def _height(self, values: NDArray[np.float64]) -> float:
        """The logarithm of the posterior."""
        difference, draw, total = self._odds(values)
        likelihood = (self._counts[:, 0] - self._counts[:, 2]) @ difference / 2 - self._total @ total
        likelihood += self._counts[self._can_draw, 1] @ draw[self._can_draw]
        away = values - self._start
        return float(likelihood - self._precision @ away**2 / 2)

    def _slope(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """[K] the gradient of `_height`."""
        win, drawn, loss = self._probabilities(values)
        by_difference = (self._counts[:, 0] - self._counts[:, 2] - self._total * (win - loss)) / 2
        by_odds = np.where(self._can_draw, self._counts[:, 1] - self._total * drawn, 0.0)
        prior = self._precision * (values - self._start)
        slope: NDArray[np.float64] = self._design.T @ by_difference + self._draws.T @ by_odds - prior
        return slope

    def _probabilities(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        difference, draw, total = self._odds(values)
        return np.exp(difference / 2 - total), np.exp(draw - total), np.exp(-difference / 2 - total)

    def information(self, values: NDArray[np.float64]) -> Any:
        """[K, K] sparse: minus the second derivative of `_height`, the inverse of the covariance."""
        win, drawn, loss = self._probabilities(values)
        by_difference = self._total * ((win + loss) - (win - loss) ** 2) / 4
        information = _product(self._design, by_difference, self._design) + scipy.sparse.diags_array(self._precision)
        if len(self._drawn):
            mixed = _product(self._design, -self._total * drawn * (win - loss) / 2, self._draws)
            information = information + mixed + mixed.T
            information = information + _product(self._draws, self._total * drawn * (1 - drawn), self._draws)
        return information

    def ratings(self, values: NDArray[np.float64], covariance: NDArray[np.float64]) -> Ratings:
        """What the values mean."""
        strength = self._fixed.copy()
        strength[self._free] = values[: len(self._free)]
        full = np.zeros((len(self._names), len(self._names)))
        full[np.ix_(self._free, self._free)] = covariance[: len(self._free), : len(self._free)] * ELO_PER_UNIT**2
        real = len(self._setting)
        weights = np.repeat(self._total[:real], 2)
        games = np.bincount(self._players[:real].ravel(), weights, minlength=len(self._names))
        return Ratings(
            self._names,
            strength * ELO_PER_UNIT,
            full,
            games.astype(np.int64),
            self._components(),
            self._anchors,
            {setting: self._effect(i, values, covariance) for i, setting in enumerate(self._settings)},
        )

    def _effect(self, number: int, values: NDArray[np.float64], covariance: NDArray[np.float64]) -> Effect:
        advantage = deviation = draw_share = 0.0
        if self._has_advantages:
            place = self._first_advantage + number
            advantage, deviation = float(values[place]), math.sqrt(covariance[place, place])
        if number in self._drawn:
            odds = math.exp(values[self._first_odds + int(np.searchsorted(self._drawn, number))])
            draw_share = odds / (2 + odds)
        return Effect(advantage * ELO_PER_UNIT, deviation * ELO_PER_UNIT, draw_share)

    def _components(self) -> NDArray[np.int32]:
        joined = self._players[: len(self._setting)]
        fixed = np.array([self._index[name] for name in sorted(self._anchors)], np.int64)
        edges = np.vstack([joined, np.stack([fixed[:-1], fixed[1:]], 1).reshape(-1, 2)])
        size = len(self._names)
        graph = scipy.sparse.coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(size, size))
        labels: NDArray[np.int32] = scipy.sparse.csgraph.connected_components(graph, directed=False)[1]
        return labels


def _matrix(parts: list[tuple[NDArray[np.int64], NDArray[np.int64], float]], shape: tuple[int, int]) -> Any:
    """Sparse, with each part's value at its rows and columns."""
    rows, columns = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    values = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    return scipy.sparse.csr_array((values, (rows, columns)), shape=shape)


def _product(left: Any, weights: NDArray[np.float64], right: Any) -> Any:
    """left.T @ diag(weights) @ right, sparse."""
    weighted = right.copy()
    weighted.data = weighted.data * np.repeat(weights, np.diff(weighted.indptr))
    return left.T @ weighted


def _solved(information: Any, slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """information**-1 @ slope: by factors where they stay sparse, else by iteration, which such a graph makes short."""
    if _is_sparse(information):
        step: NDArray[np.float64] = _factor(information).solve(slope)
        return step
    if len(slope) > SMALL:
        scale = scipy.sparse.diags_array(1.0 / information.diagonal())
        step, failed = scipy.sparse.linalg.cg(information, slope, rtol=1e-10, maxiter=len(slope), M=scale)
        if not failed:
            return step
    return np.linalg.solve(information.toarray(), slope)


def _inverse(information: Any) -> NDArray[np.float64]:
    """[K, K] dense, symmetric."""
    size = information.shape[0]
    if size == 0:
        return np.zeros((0, 0))
    # Not by Cholesky: OpenBLAS's factorization takes a hundred times as long while other programs use the cores.
    inverse = (
        _factor(information).solve(np.eye(size)) if _is_sparse(information) else np.linalg.inv(information.toarray())
    )
    return np.asarray(inverse + inverse.T) / 2


def _is_sparse(information: Any) -> bool:
    size = information.shape[0]
    return size > SMALL and bool(information.nnz < SPARSE_SHARE * size**2)


def _factor(information: Any) -> Any:
    options = {"SymmetricMode": True}
    return scipy.sparse.linalg.splu(
        information.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options
    )
