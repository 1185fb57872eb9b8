# SPDX-License-Identifier: Apache-2.0
"""Game records for tests: random legal games with invented search results, and records of given moves."""

import dataclasses
from typing import Any

import numpy as np

from cc_kernels import scoring
from minigo.data.shards import ShardHeader
from minigo.go.coords import move_from_vertex
from minigo.go.position import Position
from minigo.go.record import POLICY_SCALE, GameRecord


def random_record(seed: int, board_size: int = 5, rules: str = "cgos", max_moves: int = 60) -> GameRecord:
    """A random legal game without needless passes; half its moves searched, a quarter with policy targets."""
    rng = np.random.default_rng(seed)
    board = Position.empty(board_size, 7.5, rules).board
    moves: list[int] = []
    policies: list[np.ndarray] = []
    while len(moves) < max_moves and not scoring.is_over(board):
        legal = board.legal_moves()
        if len(moves) % 4 == 0:
            policies.append(rng.random(len(legal)) * legal)
        points = np.flatnonzero(legal[:-1])
        moves.append(int(rng.choice(points)) if len(points) else board.pass_move)
        board.play(moves[-1])
    end = "passes" if board.passes >= 2 else "decided" if scoring.is_over(board) else "move_limit"
    searched = np.arange(len(moves)) % 2 == 0
    targets = [policy / policy.sum() * POLICY_SCALE for policy in policies]
    return GameRecord(
        game_id=f"random-{seed}",
        board_size=board_size,
        komi=7.5,
        rules=rules,
        moves=np.array(moves, np.int16),
        score_for_black=scoring.final_score_for_black(board),
        end=end,
        start_ply=0,
        seed=seed,
        black="000001",
        white="000001",
        target_plies=np.arange(0, len(moves), 4).astype(np.int16),
        policy_targets=np.array(targets).round().astype(np.uint16).reshape(len(targets), board.num_moves),
        root_values=np.where(searched, rng.uniform(-1, 1, len(moves)), np.nan).astype(np.float32),
        root_scores=np.where(searched, rng.normal(0, 5, len(moves)), np.nan).astype(np.float32),
        simulations=np.where(searched, 16, 0).astype(np.int32),
    )


def record_of(vertices: str, board_size: int = 3, komi: float = 0.5, **changes: Any) -> GameRecord:
    """The record of moves given as vertices, without search results; `changes` replace its fields."""
    position = Position.empty(board_size, komi, "cgos")
    for vertex in vertices.split():
        position = position.play(move_from_vertex(vertex, board_size))
    num_moves = len(position.moves)
    record = dataclasses.replace(
        random_record(0, board_size, max_moves=0),
        game_id="given",
        komi=komi,
        moves=np.array([move for _, move in position.moves], np.int16),
        score_for_black=position.score_for_black(),
        end="passes" if position.board.passes >= 2 else "decided" if position.is_over else "move_limit",
        root_values=np.full(num_moves, np.nan, np.float32),
        root_scores=np.full(num_moves, np.nan, np.float32),
        simulations=np.zeros(num_moves, np.int32),
    )
    return dataclasses.replace(record, **changes)


def header(board_size: int = 5, rules: str = "cgos", sequence: int = 0) -> ShardHeader:
    """A shard header of worker "w0"."""
    return ShardHeader(
        network="000001",
        network_sha256="a" * 64,
        config_sha256="b" * 64,
        seed=7,
        worker="w0",
        sequence=sequence,
        rules=rules,
        board_size=board_size,
        precision="float32",
        backend="tensorflow",
        batch_rows=8,
        minigo_version="0.1.0",
    )
