# SPDX-License-Identifier: Apache-2.0
"""What a player does with the result of a search: which move to play, when to pass, and when to resign.

Values and scores are for the player to move. Nothing here searches or reads a clock.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cc_kernels import scoring
from cc_kernels.board import BLACK, EMPTY, WHITE
from minigo.anytime import Analysis, MoveAnalysis
from minigo.engines.ending import Ending, points_beside
from minigo.engines.options import AGREED_RULES, PlayOptions
from minigo.go.position import Position

SURE: Final = 0.8  # a point is somebody's beyond doubt if its expected ownership is at least this
_SAME_VALUE: Final = 0.02  # moves whose values differ by less are as good
_SAME_SCORE: Final = 0.5  # … and if their scores do, in points
_PASS_VISITS: Final = 8  # what a search says of a pass counts from so many visits on
_CLEANUP_LOSS: Final = 0.05  # taking dead stones off may cost so much of the value
_LATE_DOUBT: Final = 0.5  # how far the threshold goes towards certainty where we gave a handicap


def opponent_passed(position: Position) -> bool:
    """Whether the last move was the other player's pass, so that another pass ends the game."""
    return bool(position.moves) and position.moves[-1] == (-position.to_play, position.board.pass_move)


def is_agreed(position: Position, options: PlayOptions) -> bool:
    """Whether we leave it to the players to agree on what is dead, where the rules have it so."""
    return options.friendly_pass and position.rules.name in AGREED_RULES


def score_as_it_stands(position: Position) -> float:
    """The player to move's points less the other's and komi, with every stone alive."""
    return scoring.score_for_black(position.board) * position.to_play


def wants_ending(position: Position, analysis: Analysis) -> bool:
    """Whether `chosen_move` looks at the ending here."""
    return opponent_passed(position) or analysis.moves[0].move == position.board.pass_move


def chosen_move(position: Position, analysis: Analysis, ending: Ending | None, options: PlayOptions) -> int:
    """The move to play: the search's, but for passes.

    * A pass is answered by a pass that wins: as the board stands and with dead stones taken off; with
      `options.friendly_pass` and rules by which players agree on dead stones, the latter is enough if it holds
      whoever gets the points that are in doubt.
    * It is answered by a pass, too, where that costs nothing, as at the end of a lost game.
    * A pass that wins as the board stands is preferred to moves that gain nothing.
    * No pass loses a game as it stands that another move still wins.

    Args:
        position: the game; its last move may be the second pass, which the analysed position does not know.
        analysis: what the search found.
        ending: how the game would be counted; None: not known (then nothing is said of dead stones).
        options: whether it passes in a friendly way.
    """
    passing = position.board.pass_move
    best = next((move for move in analysis.moves if _is_legal(position, move.move)), None)
    if best is None:
        return passing
    score = score_as_it_stands(position)
    agreed = None if ending is None else ending.score_for_black * position.to_play
    friendly = is_agreed(position, options) and agreed is not None
    safe = friendly and ending is not None and _worst_score(position, ending, analysis) > 0
    if opponent_passed(position):
        if safe or (score > 0 and (agreed is None or agreed > 0)):
            return passing
        if not friendly and _is_as_good(float(np.sign(score)), score, best):
            return passing
    if best.move == passing:
        return passing if score > 0 or safe else _instead_of_pass(position, analysis)
    mine = next((move for move in analysis.moves if move.move == passing and move.visits >= _PASS_VISITS), None)
    if mine is not None and score > 0 and _is_as_good(mine.value, mine.score_lead, best):
        return passing
    return best.move


def cleanup_move(position: Position, ending: Ending, analysis: Analysis | None) -> int:
    """The move that helps to take the opponent's dead stones off the board; a pass once there are none to take.

    Args:
        position: the game, in which the players are to settle what is dead by playing.
        ending: what is dead.
        analysis: what the search found; None: everything is decided by pass-alive chains.
    """
    passing = position.board.pass_move
    dead = [chain for chain in ending.dead if position.board.stones.flat[chain[0]] == -position.to_play]
    if analysis is not None and analysis.moves[0].move != passing and not opponent_passed(position):
        best = analysis.moves[0]
        helpful = _liberties(position, dead)
        rival = max((move.value for move in analysis.moves if move.move in helpful), default=-1.0)
        if best.value - rival > _CLEANUP_LOSS and _is_legal(position, best.move):
            return best.move  # the other player has threatened something
    weakest_first = sorted(dead, key=lambda chain: len(_liberties(position, [chain])))
    for chain in weakest_first:
        moves = [move for move in sorted(_liberties(position, [chain])) if _is_harmless(position, move, analysis)]
        if moves:
            return max(moves, key=lambda move: (_visits(analysis, move), _liberties_after(position, move)))
    for chain in weakest_first:  # a stone must be thrown in
        moves = [move for move in sorted(_liberties(position, [chain])) if not _is_refuted(move, analysis)]
        if moves:
            return max(moves, key=lambda move: _visits(analysis, move))
    return passing


class Resignation:
    """Remembers how hopeless a player has found its game, and says when to give it up.

    A player resigns when its value was below minus the threshold in `resign_moves` decisions one after the other, and
    not before both have made as many moves as the board is wide. Having given a handicap, White expects to be behind
    for long: then the threshold lies half-way to certainty, twice as many decisions must agree, and White must be
    behind by more points than the board is wide.
    """

    def __init__(self, options: PlayOptions) -> None:
        self.options = options
        """May be changed during a game."""
        self._hopeless: dict[int, list[int]] = {BLACK: [], WHITE: []}  # plies of decisions, the last ones in a row

    def forget(self) -> None:
        """Begins another game."""
        self._hopeless = {BLACK: [], WHITE: []}

    def decides(self, position: Position, value: float, score_lead: float) -> bool:
        """Whether the player to move resigns, whose best move has this value and score."""
        options = self.options
        if options.resign_threshold == 0.0:
            return False
        threshold, needed = options.resign_threshold, options.resign_moves
        patient = position.to_play == WHITE and position.handicap > 0
        if patient:
            threshold, needed = threshold + _LATE_DOUBT * (1.0 - threshold), 2 * needed
        ply = len(position.moves)
        earlier = [other for other in self._hopeless[position.to_play] if other < ply]
        hopeless = value < -threshold and not (patient and score_lead > -position.board_size)
        self._hopeless[position.to_play] = [*earlier, ply] if hopeless else []
        return hopeless and len(earlier) + 1 >= needed and ply >= 2 * position.board_size


def _is_legal(position: Position, move: int) -> bool:
    return position.board.is_legal(move, position.to_play)


def _is_as_good(value: float, score: float, best: MoveAnalysis) -> bool:
    return best.value - value <= _SAME_VALUE and best.score_lead - score <= _SAME_SCORE


def _worst_score(position: Position, ending: Ending, analysis: Analysis) -> float:
    """The score for the player to move if the other one gets every point whose owner is in doubt."""
    mine = ending.owner.astype(np.int64) * position.to_play
    if analysis.ownership is not None:
        certain = scoring.pass_alive(position.board) != EMPTY
        mine = np.where((np.abs(analysis.ownership) >= SURE) | certain, mine, -1)
    return float(mine.sum()) - position.komi * position.to_play


def _instead_of_pass(position: Position, analysis: Analysis) -> int:
    """The best move that still wins where a pass would lose as the board stands; a pass if there is none."""
    passing = position.board.pass_move
    winning = (
        move.move
        for move in analysis.moves
        if move.move != passing and move.visits and move.value > 0 and _is_legal(position, move.move)
    )
    return next(winning, passing)


def _liberties(position: Position, chains: list[tuple[int, ...]]) -> set[int]:
    """Empty points beside the chains where the player to move may play."""
    stones = position.board.stones.ravel()
    beside = {other for chain in chains for point in chain for other in points_beside(point, position.board_size)}
    return {point for point in beside if stones[point] == EMPTY and _is_legal(position, point)}


def _is_harmless(position: Position, move: int, analysis: Analysis | None) -> bool:
    """Whether a legal move neither hands over stones nor, as the search sees it, the game."""
    if scoring.pass_alive(position.board).flat[move] == position.to_play:
        return True
    captured = position.play(move).board.captured(-position.to_play) > position.board.captured(-position.to_play)
    return (captured or _liberties_after(position, move) > 1) and not _is_refuted(move, analysis)


def _is_refuted(move: int, analysis: Analysis | None) -> bool:
    found = () if analysis is None else analysis.moves
    mine = next((other for other in found if other.move == move and other.visits), None)
    return mine is not None and found[0].value - mine.value > _CLEANUP_LOSS


def _visits(analysis: Analysis | None, move: int) -> int:
    found = () if analysis is None else analysis.moves
    return next((other.visits for other in found if other.move == move), 0)


def _liberties_after(position: Position, move: int) -> int:
    liberties: NDArray[np.int16] = position.play(move).board.liberties
    return int(liberties.flat[move])
