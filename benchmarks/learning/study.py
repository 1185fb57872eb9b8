# SPDX-License-Identifier: Apache-2.0
"""What is compared with what: a `Study` is a base configuration, variants of it, seeds and budgets.

Add an experiment to `STUDIES`; nothing else has to change. A variant is the base with some flags of `minigo loop`
changed, so that what it costs to leave a choice out is its difference from the base.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ratings.anchors import TAKES_DEAD_STONES

BASE: Final = "base"

RANDOM: Final = "random"
POLICY: Final = "policy"
AVERAGED: Final = "averaged"
PUBLISHED_GAMES: Final = "games.parquet"
GNUGO: Final = "gnugo"
OWN: Final = "own"
SAME: Final = "same"
PEER: Final = "peer"
OPPONENTS: Final = {
    RANDOM: "plays at random",
    POLICY: "the raw policy of the first base run's last network",
    GNUGO: "GNU Go 3.8 at level 10, which takes dead stones off before it passes",
    OWN: "the first base run's networks, at each of its budgets of seconds",
    SAME: "the networks of the base run of the same seed, at each of its budgets of seconds",
    PEER: "the base run of the same seed, when it had used as much",
}
"""Whom networks are measured against, and what each name means."""


@dataclass(frozen=True)
class Measure:
    """A match that each network is measured by.

    Attributes:
        opponent: one of `OPPONENTS`.
        handicap: stones that it gives.
        kind: how the network plays: "" searches, `POLICY` plays its raw policy, one evaluation a move, and `AVERAGED`
            searches with evaluations that are means over a position's eight symmetries.
    """

    opponent: str
    handicap: int = 0
    kind: str = ""


@dataclass(frozen=True)
class Variant:
    """One configuration.

    Attributes:
        meaning: what it tells, for the table.
        flags: of `minigo loop`, over those of the study.
    """

    meaning: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """An experiment.

    Attributes:
        flags: of `minigo loop`, for all variants.
        minutes: of work that each run gets.
        seconds: points of a run at which its champion is measured; the last is the end of the budget.
        evaluations: more such points, by the evaluations that self-play had used.
        variants: by name; `BASE` is what the others are held against.
        seeds: of each variant.
        simulations: a move of the networks that are measured.
        games: of each match, in pairs unless stones are given.
        measures: the matches of each network.
        opening_plies: random plies that open each pair.
    """

    flags: tuple[str, ...]
    minutes: float
    seconds: tuple[float, ...]
    evaluations: tuple[int, ...]
    variants: dict[str, Variant]
    seeds: tuple[int, ...] = (0, 1, 2)
    simulations: int = 64
    games: int = 40
    measures: tuple[Measure, ...] = (Measure(RANDOM), Measure(POLICY), Measure(GNUGO), Measure(OWN))
    opening_plies: int = 2

    def runs(self) -> list[tuple[str, int]]:
        """(variant, seed) of each run, seed by seed: an interrupted study compares whole seeds."""
        return [(variant, seed) for seed in self.seeds for variant in self.variants]

    def command_flags(self, variant: str, seed: int) -> list[str]:
        """The flags of `minigo loop` for one run."""
        limits = [f"--seed={seed}", f"--minutes={self.minutes:g}", "--loop.final_games=0", "--loop.rating_games=0"]
        return [*self.flags, *self.variants[variant].flags, *limits]

    def digest(self) -> str:
        """Tells this study from one with other settings or another GNU Go; seeds, variants and matches may be added."""
        growing = ("variants", "seeds", "measures")
        fixed = {key: value for key, value in dataclasses.asdict(self).items() if key not in growing}
        if any(measure.opponent == GNUGO for measure in self.measures):
            fixed[GNUGO] = TAKES_DEAD_STONES  # results against one that leaves them are of another opponent
        return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


class StudyError(Exception):
    """The study can not go on; the message says what to do."""


ABLATIONS: Final = {
    BASE: Variant("everything"),
    "no-ownership-score": Variant(
        "without the targets for ownership and score", ("--train.ownership_weight=0", "--train.score_weight=0")
    ),
    # 0.2 x 32 + 0.8 x 4 simulations a move, later 0.2 x 64 + 0.8 x 4, for every move. Five times the positions have
    # targets: a fifth of the examples for each, and a window and random games that count five times the positions,
    # leave all else alike.
    "no-playout-caps": Variant(
        "all searches alike, at the same cost",
        (
            "--selfplay.num_simulations=10",
            "--selfplay.late_simulations=16",
            "--selfplay.full_share=1.0",
            "--train.replay_ratio=1.2",
            "--train.window_min=85000",
            "--train.untargeted_positions=20",
        ),
    ),
    "low-replay-small-window": Variant(
        "one example for each position, from a window that does not grow",
        ("--train.replay_ratio=1", "--train.window_growth=0"),
    ),
    "no-averaging-no-drop": Variant(
        "the last weights play, and the rate does not fall", ("--train.average_decay=0", "--train.decay_share=0")
    ),
    "no-pooling": Variant("a tower without global pooling", ("--network.pooling_blocks=0",)),
    "deep-narrow": Variant(
        "seven blocks of 24 channels, as much arithmetic", ("--network.blocks=7", "--network.channels=24")
    ),
    "adamw": Variant(
        "AdamW at the better of two rates, with the weight decay of that trial",
        ("--train.optimizer=adamw", "--train.learning_rate=0.004", "--train.weight_decay=0.0001"),
    ),
}

STUDIES: Final[dict[str, Study]] = {
    "ablations": Study(
        flags=("--preset=9x9-cpu",),
        minutes=15,
        seconds=(900.0,),
        evaluations=(),
        variants=ABLATIONS,
        games=300,
        measures=(Measure(PEER),),
    ),
    "half-hour": Study(  # the claim of the preset: how strong it is after half an hour, in three seeds
        flags=("--preset=9x9-cpu",),
        minutes=30,
        seconds=(600.0, 1800.0),
        evaluations=(),
        variants={BASE: Variant("the preset 9x9-cpu")},
        games=100,
        measures=(Measure(GNUGO), Measure(GNUGO, kind=AVERAGED)),
    ),
    "hour": Study(  # what an hour is to reach: without search, giving two stones, and how far beyond half an hour
        flags=("--preset=9x9-cpu",),
        minutes=60,
        seconds=(1800.0, 3600.0),
        evaluations=(),
        variants={BASE: Variant("the preset 9x9-cpu")},
        games=100,
        measures=(Measure(GNUGO), Measure(GNUGO, kind=POLICY), Measure(GNUGO, handicap=2), Measure(SAME)),
    ),
    "curve": Study(
        flags=("--preset=9x9-cpu",),
        minutes=60,
        seconds=(300.0, 600.0, 1200.0, 1800.0, 2700.0, 3600.0),
        evaluations=(),
        variants={BASE: Variant("the preset 9x9-cpu")},
        games=100,
    ),
    "tiny": Study(  # for the tests: all verbs in seconds
        flags=(
            "--game.board_size=3",
            "--game.komi=8.5",
            "--network.blocks=1",
            "--network.channels=8",
            "--network.head_channels=8",
            "--selfplay.num_simulations=4",
            "--selfplay.fast_simulations=2",
            "--selfplay.games_per_shard=8",
            "--selfplay.random_games=8",
            "--train.batch_size=32",
            "--train.window_min=300",
            "--train.holdout_share=0",
            "--evaluate.gate=none",
            "--loop.games_per_generation=16",
            "--loop.generations=2",
            "--machine.games_per_thread=8",
            "--machine.threads=1",
            "--machine.training_threads=0",
            "--machine.precision=float32",
        ),
        minutes=10,
        seconds=(600.0,),
        evaluations=(100,),
        variants={BASE: Variant("everything"), "no-score": Variant("without score", ("--train.score_weight=0",))},
        seeds=(0, 1),
        simulations=4,
        games=4,
        measures=(
            Measure(RANDOM),
            Measure(RANDOM, kind=POLICY),
            Measure(POLICY),
            Measure(OWN),
            Measure(PEER),
        ),
    ),
}


@dataclass(frozen=True)
class Workplace:
    """A study and the folder that its runs and results lie in."""

    name: str
    study: Study
    folder: Path

    @classmethod
    def open(cls, name: str, out: str | Path) -> "Workplace":
        """The folder of a study, made if it is not there.

        Raises:
            StudyError: there is no such study, or its folder belongs to one with other settings.
        """
        if name not in STUDIES:
            raise StudyError(f"--study must be one of {', '.join(STUDIES)}, got {name!r}")
        study, folder = STUDIES[name], Path(out) / name
        note = folder / "study.json"
        if not note.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(note, {"digest": study.digest(), "study": dataclasses.asdict(study)})
        elif read_json(note)["digest"] != study.digest():
            raise StudyError(
                f"{folder} holds a study of this name with other settings or another GNU Go: "
                "choose another --out, or rename the study"
            )
        return cls(name, study, folder)

    @property
    def is_published(self) -> bool:
        """Whether the folder holds what was published, without runs."""
        return (self.folder / PUBLISHED_GAMES).exists()

    def run_path(self, variant: str, seed: int) -> Path:
        """Where a run lies."""
        return self.folder / f"{variant}-{seed}"


def read_json(path: Path) -> dict[str, Any]:
    """A small document."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Stores a small document; it appears whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
    part.replace(path)
