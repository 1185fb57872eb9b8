# SPDX-License-Identifier: Apache-2.0
"""How good what a Gumbel root teaches is: its policy target and its value, by simulations, moves and sharpness.

    python benchmarks/root_targets.py --run=runs/9x9

The champion searches positions of the run's last games again, those that have a policy target. Moves are judged by a
search of many simulations that considers all of them (`--deep`), most of them with few visits: a regret is how much
less utility than the best move gives, here of what a target expects, of its largest share and of the move to play, and
only differences of regrets mean much. Values are judged by the results of the games: their bias (how much too high) and
their mean squared error, beside those of the mean of all visits and of the network alone. Noise is drawn anew for each
of `--seeds` searches.
"""

import argparse
import json
import sys
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from latest_games import latest_games
from numpy.typing import NDArray

from cc_kernels.board import Board
from minigo.commands.common import evaluator_loader
from minigo.config import SearchConfig
from minigo.inference.evaluator import Evaluator
from minigo.inference.quiet import start_framework
from minigo.run import Run
from minigo.search import Search, run_search

SETTINGS: Final = (  # simulations, considered moves, c_scale
    (32, 16, 0.5),
    (32, 8, 0.5),
    (32, 4, 0.5),
    (32, 24, 0.5),
    (32, 16, 0.2),
    (32, 16, 1.0),
    (16, 16, 0.5),
    (16, 8, 0.5),
    (64, 16, 0.5),
)


class Case(NamedTuple):
    """A position of a game, and how the game ended for the player to move there: 1, 0 or -1."""

    board: Board
    result: float


def main() -> None:
    """Searches the positions with every setting and prints one line, or one JSON object, for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="the folder or bucket of a run")
    parser.add_argument("--positions", type=int, default=192, help="how many positions")
    parser.add_argument("--games", type=int, default=512, help="how many of its last games they are drawn from")
    parser.add_argument("--deep", type=int, default=1600, help="simulations of the search that judges moves")
    parser.add_argument("--seeds", type=int, default=6, help="searches of each position, with noise of their own")
    parser.add_argument("--json", action="store_true", help="print JSON objects")
    options = parser.parse_args()
    run = Run.open(options.run)
    champion = run.champion()
    if champion is None:
        raise SystemExit(f"{options.run} has no champion yet: let the run go on")
    start_framework(run.config.machine.backend)
    evaluator = evaluator_loader(run.config)(run.network_path(champion.network))
    cases = drawn_cases(run, options.games, options.positions)
    print(f"{len(cases)} positions, searched with {options.deep} simulations …", file=sys.stderr, flush=True)
    worth = move_worth(run.config.search, evaluator, [case.board for case in cases], options.deep)
    for simulations, considered, c_scale in SETTINGS:
        config = replace(
            run.config.search,
            num_simulations=simulations,
            considered_moves=considered,
            c_scale=c_scale,
            temperature=0.0,
        )
        found = {"simulations": simulations, "considered_moves": considered, "c_scale": c_scale}
        found |= judged(config, evaluator, cases, worth, options.seeds)
        print(json.dumps(found) if options.json else _line(found), flush=True)


def drawn_cases(run: Run, games: int, count: int) -> list[Case]:
    """So many positions with a policy target, drawn from a run's last games; all of them where there are fewer."""
    cases: list[Case] = []
    for record in latest_games(run, games):
        board, targets = record.empty_board(), set(record.target_plies.tolist())
        for ply, move in enumerate(record.moves.tolist()):
            if ply in targets:
                cases.append(Case(board.copy(), float(np.sign(record.score_for_black)) * board.to_play))
            board.play(move)
    if not cases:
        raise SystemExit("no game of the run has a policy target yet: let it go on")
    chosen = np.random.default_rng(0).permutation(len(cases))[:count]
    return [cases[index] for index in chosen]


def move_worth(
    config: SearchConfig, evaluator: Evaluator, boards: list[Board], simulations: int
) -> NDArray[np.float64]:
    """[P, A]: the utility of each move by a long search without noise; of illegal moves, that of the worst."""
    every = boards[0].num_points + 1
    config = replace(config, algorithm="gumbel", considered_moves=every, num_simulations=simulations)
    search = _search(config, boards)
    for game, board in enumerate(boards):
        search.start(game, board, simulations, None)
    run_search(search, evaluator)
    worth = np.stack([search.result(game).move_values for game in range(len(boards))]).astype(np.float64)
    return np.where(np.isnan(worth), np.nanmin(worth, axis=1, keepdims=True), worth)


def judged(
    config: SearchConfig, evaluator: Evaluator, cases: list[Case], worth: NDArray[np.float64], seeds: int
) -> dict[str, float]:
    """The regrets of targets and moves, the targets' entropy in nats, and how far values are off."""
    best, games = worth.max(axis=1), np.arange(len(cases))
    results = np.array([case.result for case in cases])
    search = _search(config, [case.board for case in cases])
    rows = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        for game, case in enumerate(cases):
            search.start(game, case.board, config.num_simulations, random)
        run_search(search, evaluator)
        found = [search.result(game) for game in games]
        target = np.stack([each.policy_target for each in found]).astype(np.float64)
        own, mean = np.array([_own_and_mean(search, game) for game in games]).T
        rows.append(
            {
                "target_regret": np.mean(best - (target * worth).sum(axis=1)),
                "target_top_regret": np.mean(best - worth[games, target.argmax(axis=1)]),
                "move_regret": np.mean(best - worth[games, [each.move for each in found]]),
                "target_entropy": -np.mean((target * np.log(np.maximum(target, 1e-12))).sum(axis=1)),
                **_errors("value", np.array([each.value for each in found]), results),
                **_errors("mean_of_visits", mean, results),
                **_errors("network_alone", own, results),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _search(config: SearchConfig, boards: list[Board]) -> Search:
    rows = max(config.leaves_per_batch, min(64, len(boards)))
    return Search(config, boards[0].board_size, len(boards), batch_rows=rows)


def _own_and_mean(search: Search, game: int) -> tuple[float, float]:
    """The root's value as the network alone says it, and the mean over all visits."""
    nodes = search.trees.nodes(game)
    children = nodes["parent"] == 0
    children[0] = False
    total = nodes["value_sum"][0]
    return total + nodes["value_sum"][children].sum(), total / nodes["visits"][0]


def _errors(name: str, values: NDArray[np.float64], results: NDArray[np.float64]) -> dict[str, float]:
    return {f"{name}_bias": np.mean(values - results), f"{name}_error": np.mean((values - results) ** 2)}


def _line(found: dict[str, float]) -> str:
    return "  ".join(
        f"{name} {value:g}" if value == int(value) else f"{name} {value:.3f}" for name, value in found.items()
    )


if __name__ == "__main__":
    main()
