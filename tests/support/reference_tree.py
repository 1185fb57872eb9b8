# SPDX-License-Identifier: Apache-2.0
"""Tree search, slowly: one game, a board in every node, the formulas as the papers have them.

PUCT as in AlphaGo Zero (Silver et al. 2017) with a first-play value; the Gumbel root as in Danihelka et al. 2022.
What `cc_kernels.tree` promises in its header is done here by the shortest means. Start at `ReferenceSearch.run`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tests.support.reference_board import ReferenceBoard
from tests.support.reference_scoring import final_area, pass_alive


class Estimate(NamedTuple):
    """What an evaluator says of a position, for the player to move."""

    policy: dict[int, float]
    value: float
    score: float


@dataclass(frozen=True)
class Settings:
    """The search's constants; `cc_kernels.tree.SearchTrees` takes them by the same names."""

    leaves_per_game: int = 1
    gumbel: bool = False
    considered_moves: int = 16
    c_visit: float = 50.0
    c_scale: float = 0.5
    c_puct: float = 1.1
    fpu_reduction: float = 0.2
    score_weight: float = 0.1
    noise_share: float = 0.25
    prune_pass_alive: bool = True


@dataclass(eq=False)
class Node:
    """A position in the tree. Sums are for the player to move here; `waiting` counts leaves being evaluated below."""

    board: ReferenceBoard
    prior: float = 1.0
    edges: dict[int, float] = field(default_factory=dict)
    children: dict[int, "Node"] = field(default_factory=dict)
    own: Estimate | None = None
    own_utility: float = 0.0
    visits: int = 0
    waiting: int = 0
    utility_sum: float = 0.0
    value_sum: float = 0.0
    score_sum: float = 0.0

    @property
    def count(self) -> int:
        """Visits, those on their way included."""
        return self.visits + self.waiting

    @property
    def mean_utility(self) -> float:
        """Mean utility for the player to move; a visit on its way counts as a win for that player."""
        return (self.utility_sum + self.waiting) / self.count


class ReferenceSearch:
    """One search of one position.

    Args:
        board: the position, with its history.
        komi: added to White's score.
        simulations: how many to make, beside the root's own evaluation.
        settings: constants.
        evaluate: the evaluator.
        noise: by move; Gumbel noise, or gamma variates for PUCT.

    Attributes:
        avoid: by colour and move, the depth until which it is left out.
        visits_per_leaf, walks: bounds on a batch, as `SearchTrees.select` takes them; 0: none.
    """

    def __init__(
        self,
        board: ReferenceBoard,
        komi: float,
        simulations: int,
        settings: Settings,
        evaluate: Callable[[ReferenceBoard], Estimate],
        noise: list[float] | None = None,
    ) -> None:
        self.root, self.komi, self.simulations = Node(board.copy()), komi, simulations
        self.settings, self.evaluate, self.noise = settings, evaluate, noise
        self.avoid: dict[tuple[int, int], int] = {}
        self.visits_per_leaf = self.walks = 0

    def run(self) -> None:
        """Makes all simulations, a batch of leaves at a time."""
        if not self.root.visits:
            self.back_up([self.root], self.expand(self.root, 0))
        if not self.settings.gumbel and self.noise is not None:
            self.mix_noise(self.noise)
        while self.root.visits - 1 < self.simulations:
            self.run_batch()

    def run_batch(self) -> None:
        """Walks to leaves until the batch is full or a walk ends in a leaf of the batch; then evaluates them."""
        paths: list[list[Node]] = []
        most, walks = self.settings.leaves_per_game, 0
        if self.visits_per_leaf:
            most = min(most, 1 + self.root.visits // self.visits_per_leaf)
        while len(paths) < most and self.root.count - 1 < self.simulations and not (self.walks and walks == self.walks):
            path = self.walk()
            walks += 1
            if path[-1] in [waiting[-1] for waiting in paths]:
                break
            result = self.final_result(path[-1].board)
            if result is not None:
                self.back_up(path, result)
                continue
            for node in path:
                node.waiting += 1
            paths.append(path)
        for path in paths:
            for node in path:
                node.waiting -= 1
            self.back_up(path, self.expand(path[-1], len(path) - 1))

    def advance(self, move: int) -> None:
        """Plays a move at the root and keeps what is below it."""
        self.root = self.root.children.get(move) or self.new_child(self.root, move)

    # Walking down

    def walk(self) -> list[Node]:
        """The nodes from the root to one that has never been evaluated, or where the game is over."""
        path = [self.root]
        while path[-1].edges:
            node = path[-1]
            at_gumbel_root = self.settings.gumbel and node is self.root
            move = self.gumbel_choice() if at_gumbel_root else self.puct_choice(node)
            if move not in node.children:
                node.children[move] = self.new_child(node, move)
            path.append(node.children[move])
        return path

    def new_child(self, node: Node, move: int) -> Node:
        """The node that a move leads to."""
        board = node.board.copy()
        board.play(move, board.to_play)
        return Node(board, node.edges[move])

    def puct_choice(self, node: Node) -> int:
        """The move with the largest Q + U; visited moves before unvisited ones, and the first visited first."""
        unvisited = [move for move in node.edges if move not in node.children]
        best_unvisited = max(unvisited, key=lambda move: node.edges[move], default=None)
        candidates = [*node.children] + ([] if best_unvisited is None else [best_unvisited])
        return max(candidates, key=lambda move: self.puct_score(node, move))

    def puct_score(self, node: Node, move: int) -> float:
        """Q + c_puct * prior * sqrt(visits of the node) / (1 + visits of the move)."""
        child = node.children.get(move)
        q = node.mean_utility - self.settings.fpu_reduction if child is None else -child.mean_utility
        exploration = self.settings.c_puct * node.edges[move] * math.sqrt(node.count)
        return q + exploration / (1 + (0 if child is None else child.count))

    # The Gumbel root

    def gumbel_choice(self) -> int:
        """Among the moves with as many visits as sequential halving asks for, the one with the largest score."""
        number = self.root.count - 1
        considered = min(self.settings.considered_moves, len(self.root.edges))
        wanted = visits_by_sequential_halving(considered, self.simulations)[number]
        scores = self.gumbel_scores()
        return max((m for m in scores if self.visits_of(m) == wanted), key=lambda move: scores[move])

    def visits_of(self, move: int) -> int:
        """Visits of a root move, those on their way included."""
        child = self.root.children.get(move)
        return 0 if child is None else child.count

    def gumbel_scores(self) -> dict[int, float]:
        """What the Gumbel root maximises: g + logit + sigma(completed Q), by move."""
        noise = self.noise or [0.0] * (self.root.board.pass_move + 1)
        return {move: noise[move] + score for move, score in self.improved_logits().items()}

    def improved_logits(self) -> dict[int, float]:
        """Logits of the improved policy: logit + sigma(completed Q), by root move."""
        visited = self.evaluated_children()
        most_visits = max((child.visits for child in visited.values()), default=0)
        scale = (self.settings.c_visit + most_visits) * self.settings.c_scale
        q = {move: -child.utility_sum / child.visits for move, child in visited.items()}
        mixed = self.mixed_value(q)
        logits = {move: math.log(max(prior, 1e-12)) for move, prior in self.root.edges.items()}
        return {move: logits[move] + scale * q.get(move, mixed) for move in logits}

    def mixed_value(self, q: dict[int, float]) -> float:
        """The root's utility as far as it is known: stands in for the Q of unvisited moves."""
        if not q:
            return self.root.own_utility
        priors = {move: self.root.edges[move] for move in q}
        weighted = sum(priors[move] * q[move] for move in q) / sum(priors.values())
        visits = sum(self.root.children[move].visits for move in q)
        return (self.root.own_utility + visits * weighted) / (visits + 1)

    def evaluated_children(self) -> dict[int, Node]:
        """The root's children by move, without those that still wait for their first evaluation."""
        return {move: child for move, child in self.root.children.items() if child.visits}

    # Evaluating and counting

    def final_result(self, board: ReferenceBoard) -> Estimate | None:
        """The exact result where two passes or pass-alive regions have ended the game."""
        size = board.board_size
        if board.passes < 2 and len(pass_alive(board.position, size, board.suicide)) < size**2:
            return None
        score = board.to_play * (sum(final_area(board.position, size, board.suicide).values()) - self.komi)
        return Estimate({}, float(np.sign(score)), score)

    def expand(self, node: Node, depth: int, estimate: Estimate | None = None) -> Estimate:
        """Evaluates a node and gives it its edges: the moves worth searching, with normalised priors."""
        estimate = self.evaluate(node.board) if estimate is None else estimate
        avoided = {move for (color, move), until in self.avoid.items() if color == node.board.to_play and depth < until}
        moves = [move for move in self.moves_worth_searching(node.board) if move not in avoided]
        moves = moves or [node.board.pass_move]
        total = sum(estimate.policy[move] for move in moves)
        node.edges = {move: float(np.float32(estimate.policy[move] / total)) for move in moves}
        node.own_utility = self.utility(estimate)
        node.own = estimate
        return estimate

    def prime(self, estimate: Estimate) -> None:
        """Gives the root an evaluation from outside, in place of any that it has."""
        root, before = self.root, self.root.own
        self.expand(root, 0, estimate)
        if before is None:
            self.back_up([root], estimate)
            return
        root.utility_sum += root.own_utility - self.utility(before)
        root.value_sum += estimate.value - before.value
        root.score_sum += estimate.score - before.score

    def moves_worth_searching(self, board: ReferenceBoard) -> list[int]:
        """Legal moves. Of decided points only those where the owner may still remove dead stones."""
        legal = board.legal_moves(board.to_play)
        if not self.settings.prune_pass_alive:
            return legal
        alive, owner = pass_alive(board.position, board.board_size, board.suicide), board.area()
        own = board.to_play
        return [m for m in legal if m not in alive or (alive[m] == own and owner.get(m) != own)]

    def utility(self, estimate: Estimate) -> float:
        """Value, and a little for the size of a win."""
        board_size = self.root.board.board_size
        return estimate.value + self.settings.score_weight * math.tanh(estimate.score / board_size)

    def back_up(self, path: list[Node], estimate: Estimate) -> None:
        """Counts a leaf's estimate at each node of its path, from the side of the player to move there."""
        utility = self.utility(estimate)
        for node in path:
            side = node.board.to_play * path[-1].board.to_play
            node.visits += 1
            node.utility_sum += side * utility
            node.value_sum += side * estimate.value
            node.score_sum += side * estimate.score

    def mix_noise(self, noise: list[float]) -> None:
        """Mixes gamma variates, which sum to a Dirichlet draw, into the root's priors."""
        share, total = self.settings.noise_share, sum(noise[move] for move in self.root.edges)
        for move, prior in self.root.edges.items():
            mixed = (1 - share) * prior + share * noise[move] / total
            self.root.edges[move] = float(np.float32(mixed))

    # What was found

    def best_move(self) -> int:
        """The most visited move; with a Gumbel root the best score decides between equals, else the first visited."""
        visited = self.root.children
        most = max(child.visits for child in visited.values())
        candidates = [move for move, child in visited.items() if child.visits == most]
        if not self.settings.gumbel:
            return candidates[0]
        scores = self.gumbel_scores()
        return max(sorted(candidates), key=lambda move: scores[move])

    def policy_target(self) -> dict[int, float]:
        """The improved policy of a Gumbel root, or PUCT's shares of visits."""
        if not self.settings.gumbel:
            total = sum(child.visits for child in self.root.children.values())
            return {move: child.visits / total for move, child in self.root.children.items()}
        logits = self.improved_logits()
        largest = max(logits.values())
        weights = {move: math.exp(logit - largest) for move, logit in logits.items()}
        return {move: weight / sum(weights.values()) for move, weight in weights.items()}

    def value_and_score(self) -> tuple[float, float]:
        """The root's: what a Gumbel root's policy target expects of the moves it knows, or PUCT's means."""
        root, visited = self.root, self.evaluated_children()
        if not self.settings.gumbel:
            return root.value_sum / root.visits, root.score_sum / root.visits
        target, own = self.policy_target(), root.own
        assert own is not None
        known, count = sum(target[move] for move in visited), root.visits - 1
        if known == 0:
            return own.value, own.score
        value = sum(target[move] * -child.value_sum / child.visits for move, child in visited.items()) / known
        score = sum(target[move] * -child.score_sum / child.visits for move, child in visited.items()) / known
        return (own.value + count * value) / (count + 1), (own.score + count * score) / (count + 1)


def visits_by_sequential_halving(num_considered: int, simulations: int) -> list[int]:
    """For each simulation, how many visits the move it takes has so far (Danihelka 2022, Appendix; mctx)."""
    if num_considered <= 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(num_considered))
    sequence: list[int] = []
    visits, still = 0, num_considered
    while len(sequence) < simulations:
        extra = max(1, simulations // (phases * still))
        sequence += [visits + more for more in range(extra) for _ in range(still)]
        visits, still = visits + extra, max(2, still // 2)
    return sequence[:simulations]
