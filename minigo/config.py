# SPDX-License-Identifier: Apache-2.0
"""Every number an experiment depends on, with its default, unit, meaning and range.

One frozen dataclass for each part of the system, collected in `Config`. Command-line flags are generated from
these fields (`minigo.flags`), and the resolved `Config` is stored with a run. Start reading at `Config`.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Self

from minigo.fields import ConfigError as ConfigError
from minigo.fields import Section, option

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GameConfig(Section):
    """What is played."""

    board_size: int = option(9, "points along one side of the board", low=2, high=19)
    komi: float = option(7.5, "points added to White's score", low=-400.0, high=400.0)
    rules: str = option(
        "cgos",
        "rule set: how ko and suicide are treated; scoring is by area",
        choices=("cgos", "chinese", "chinese-ogs", "chinese-kgs", "tromp-taylor", "aga", "new-zealand"),
    )
    max_moves_per_point: float = option(
        3.0,
        "a game is scored as it stands after this many moves for each point of the board",
        low=1.0,
        high=20.0,
    )

    @property
    def max_moves(self) -> int:
        """The number of moves after which a game is scored as it stands."""
        return int(self.max_moves_per_point * self.board_size**2)


@dataclass(frozen=True)
class NetworkConfig(Section):
    """Shape of the residual tower. It holds no board size: one network plays them all."""

    blocks: int = option(4, "residual blocks", low=1, high=80)
    channels: int = option(32, "channels of the trunk, a multiple of 8", low=8, high=1024)
    pooling_blocks: int = option(1, "how many of the blocks mix in global pooling, spread evenly", low=0, high=80)
    head_channels: int = option(16, "channels of the policy and value heads, a multiple of 8", low=8, high=256)
    value_hidden: int = option(48, "width of the value head's dense layer", low=4, high=1024)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("channels", "head_channels"):  # or an evaluation depends on its row in the batch: ADR 5
            if getattr(self, name) % 8:
                raise ConfigError(f"network.{name} must be a multiple of 8, got {getattr(self, name)}")

    @property
    def blocks_with_pooling(self) -> frozenset[int]:
        """Which blocks mix in global pooling: `pooling_blocks` of them, spread evenly, never crowded at an end."""
        count = min(self.pooling_blocks, self.blocks)
        return frozenset(int((i + 0.5) * self.blocks / count) for i in range(count))

    def places_for(self, smaller: "NetworkConfig") -> list[int]:
        """Where the blocks of a smaller network go when it grows to this shape: each to the first one left of its kind.

        Raises:
            ConfigError: this shape is narrower somewhere, or has no blocks to take the other's in their order: those
                with pooling for those with it, others for others.
        """
        for name in ("blocks", "channels", "head_channels", "value_hidden"):
            least, actual = getattr(smaller, name), getattr(self, name)
            if actual < least:
                raise ConfigError(f"a network can not shrink: network.{name} must be {least} or more, got {actual}")
        places: list[int] = []
        for block in range(smaller.blocks):
            pools = block in smaller.blocks_with_pooling
            after = range(places[-1] + 1 if places else 0, self.blocks)
            same = [place for place in after if (place in self.blocks_with_pooling) == pools]
            if not same:
                raise ConfigError(
                    f"{smaller.blocks} blocks, with pooling in {sorted(smaller.blocks_with_pooling)}, must be found in "
                    f"order among {self.blocks} with pooling in {sorted(self.blocks_with_pooling)}: choose another "
                    "network.pooling_blocks"
                )
            places.append(same[0])
        return places


@dataclass(frozen=True)
class SearchConfig(Section):
    """Tree search. Self-play overrides the number of simulations for each move."""

    num_simulations: int = option(64, "simulations for each move", low=1, high=5_000_000)
    algorithm: str = option(
        "gumbel",
        "how the root chooses: gumbel (Danihelka 2022) or puct (AlphaGo Zero)",
        choices=("gumbel", "puct"),
    )
    considered_moves: int = option(16, "moves that the Gumbel root starts from", low=1, high=362)
    gumbel_scale: float = option(1.0, "scale of the root's Gumbel noise; 0 plays deterministically", low=0.0, high=10.0)
    c_visit: float = option(50.0, "visits added to the most visited move when Q is scaled (Gumbel)", low=0.0)
    c_scale: float = option(0.5, "weight of Q in [-1, 1] against the policy's logits (Gumbel)", low=0.0)
    c_puct: float = option(1.1, "exploration constant below the root (and at it in puct mode)", low=0.0)
    fpu_reduction: float = option(0.2, "an unvisited move is worth its parent's value minus this", low=0.0, high=2.0)
    dirichlet_alpha: float = option(0.0, "concentration of root noise, summed over moves; 0: none (puct)", low=0.0)
    dirichlet_share: float = option(0.25, "share of the root prior that is noise (puct)", low=0.0, high=1.0)
    score_weight: float = option(
        0.1,
        "utility = value + this x tanh(score lead / board size): prefers to win by more",
        low=0.0,
        high=1.0,
    )
    prune_pass_alive: bool = option(True, "do not search moves inside regions that are decided (Benson)")
    leaves_per_batch: int = option(1, "leaves taken from one game before any is evaluated", low=1, high=256)
    temperature: float = option(0.0, "moves of the opening are sampled from visits to this power's inverse", low=0.0)
    temperature_plies: int = option(0, "how many plies `temperature` lasts", low=0, high=1000)


@dataclass(frozen=True)
class SelfPlayConfig(Section):
    """How self-play games are made."""

    num_simulations: int = option(
        16, "simulations of a full search, which becomes a policy target", low=2, high=100_000
    )
    late_simulations: int = option(
        0,
        "simulations of a full search by networks from late_network on; 0: as many as by those before",
        low=0,
        high=100_000,
        is_late=True,
    )
    late_network: int = option(
        20, "number, in its run, of the first network that searches with late_simulations", low=1, is_late=True
    )
    fast_simulations: int = option(4, "simulations of a fast search, which only moves the game on", low=1, high=100_000)
    fast_noise: float = option(
        1.0,
        "a fast search's share of search.gumbel_scale: less of it and its moves are better, but games more alike",
        low=0.0,
        high=1.0,
        is_late=True,
    )
    full_share: float = option(
        0.3, "share of moves that get a full search (playout cap randomization)", low=0.0, high=1.0
    )
    random_plies: int = option(4, "at most this many uniformly random legal plies open a game", low=0, high=100)
    random_share: float = option(0.5, "share of games opened with random plies", low=0.0, high=1.0)
    komi_spread: float = option(0.0, "standard deviation of komi around the game's, in points", low=0.0, high=50.0)
    games_per_shard: int = option(64, "games in one published file", low=1, high=4096)
    random_games: int = option(500, "games of random playouts for the first training", low=0, high=10_000_000)
    random_passes: float = option(
        0.0, "share of the moves of a random game that are passes for no reason", low=0.0, high=0.5, is_late=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.late_simulations == 1:
            raise ConfigError("selfplay.late_simulations must be 0 or 2..100000, got 1")

    @property
    def max_simulations(self) -> int:
        """The most simulations that any search of self-play makes."""
        return max(self.num_simulations, self.late_simulations, self.fast_simulations)

    def full_simulations(self, network: str) -> int:
        """How many simulations a full search by a network makes, by the number that is its name in a run.

        A network that is of no run, like a benchmark's, searches as the first ones do.
        """
        if self.late_simulations and network.isdecimal() and int(network) >= self.late_network:
            return self.late_simulations
        return self.num_simulations


@dataclass(frozen=True)
class TrainConfig(Section):
    """How a network is trained from recorded games."""

    batch_size: int = option(256, "examples in one step", low=1, high=65536)
    optimizer: str = option("adamw", "what takes the steps", choices=("adamw", "muon"), is_late=True)
    learning_rate: float = option(2e-3, "peak rate of the optimizer", low=0.0, high=10.0)
    final_learning_rate: float = option(0.1, "the rate ends at this share of the peak", low=0.0, high=1.0)
    decay_share: float = option(
        0.25, "share of the run's budget, at its end, over which the rate falls", low=0.0, high=1.0
    )
    warmup_steps: int = option(200, "steps over which the rate first rises", low=0)
    weight_decay: float = option(1e-4, "the optimizer's decoupled weight decay", low=0.0, high=1.0)
    clip_norm: float = option(3.0, "gradients are clipped to this global norm", low=0.0)
    average_decay: float = option(
        0.998, "decay of the exponential weight average that plays the games", low=0.0, high=1.0
    )
    replay_ratio: float = option(4.0, "training examples for each new position", low=0.01, high=1000.0)
    window_min: int = option(20_000, "positions in the training window before it grows", low=1)
    window_exponent: float = option(0.7, "the window grows with this power of all positions", low=0.0, high=1.0)
    window_growth: float = option(0.4, "slope of the window's growth where it starts", low=0.0, high=10.0)
    untargeted_positions: int = option(
        8,
        "at most so many positions of a random game are trained on",
        low=1,
        is_late=True,
    )
    value_from_search: float = option(
        0.4, "share of the value target that is the search's value, not the result", low=0.0, high=1.0
    )
    policy_weight: float = option(1.0, "weight of the policy loss", low=0.0)
    value_weight: float = option(1.2, "weight of the win/draw/loss loss", low=0.0)
    score_weight: float = option(0.05, "weight of the score-lead loss (Huber, in points)", low=0.0)
    ownership_weight: float = option(1.0, "weight of the ownership loss (mean over the board)", low=0.0)
    holdout_share: float = option(0.02, "share of shards kept from training, to measure on", low=0.0, high=0.5)


@dataclass(frozen=True)
class EvaluateConfig(Section):
    """Matches between candidate and champion, and what they decide."""

    gate: str = option(
        "winrate",
        "winrate: promote after a match of fixed length; sprt: after one that ends when it is clear; none: promote all",
        choices=("winrate", "sprt", "none"),
    )
    games: int = option(64, "games of a gate match, in colour-swapped pairs", low=2, high=100_000)
    threshold: float = option(0.5, "a candidate is promoted at this share of the points or more", low=0.0, high=1.0)
    num_simulations: int = option(16, "simulations for each move of a gate or rating match", low=1, high=1_000_000)
    sprt_elo0: float = option(
        0.0, "Elo above the champion that a candidate needs not to be refused (sprt)", low=-1000.0
    )
    sprt_elo1: float = option(35.0, "Elo above the champion that a candidate needs to be promoted (sprt)", low=-1000.0)
    sprt_alpha: float = option(0.05, "probability of promoting at sprt_elo0", low=0.001, high=0.5)
    sprt_beta: float = option(0.05, "probability of refusing at sprt_elo1", low=0.001, high=0.5)
    sprt_max_pairs: int = option(2000, "pairs of games after which an undecided candidate is refused (sprt)", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sprt_elo0 < self.sprt_elo1:
            raise ConfigError(f"evaluate.sprt_elo1 must be above sprt_elo0={self.sprt_elo0:g}, got {self.sprt_elo1:g}")


@dataclass(frozen=True)
class MatchConfig(Section):
    """How match games open, so that two games of the same players differ."""

    opening_plies: int = option(2, "uniformly random legal plies that open both games of a pair", low=0, high=100)
    temperature: float = option(0.5, "moves after the opening are sampled at this temperature", low=0.0, high=10.0)
    temperature_plies: int = option(8, "how many plies `temperature` lasts", low=0, high=1000)
    seconds_per_move: float = option(60.0, "an outside engine that takes longer forfeits", low=0.01, high=86400.0)


@dataclass(frozen=True)
class LoopConfig(Section):
    """How long a run goes on and how it is cut into generations."""

    minutes: float = option(60.0, "the run ends after this many minutes of work, over all resumptions", low=0.0)
    generations: int = option(0, "the run ends after this many generations; 0: no such limit", low=0)
    games_per_generation: int = option(1000, "self-play games between two trainings", low=1)
    final_games: int = option(100, "games of each match that closes the run, against random and generation 0", low=0)
    rating_games: int = option(
        4, "games against GNU Go after each evaluation, in at most 5 % of the time; 0: none", low=0, high=10_000
    )
    curriculum_size: int = option(
        0,
        "a loop first learns on a board of this size, where its own is larger, and its run begins with that network; "
        "0: it does not",
        low=0,
        high=18,
        is_late=True,
    )
    curriculum_komi: float = option(9.0, "komi on that board", low=-400.0, high=400.0, is_late=True)
    curriculum_generations: int = option(4, "how many generations are trained there", low=1, is_late=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.curriculum_size == 1:
            raise ConfigError("loop.curriculum_size must be 0 or 2..18, got 1")


@dataclass(frozen=True)
class MachineConfig(Section):
    """What may differ from machine to machine and change on resume; it does not change what is learned."""

    threads: int = option(0, "threads for self-play and training together; 0: one for each core", low=0, high=1024)
    training_threads: int = option(
        1,
        "how many of the threads a loop's training and matches take from self-play; 0: they take turns",
        low=0,
        high=64,
    )
    games_per_thread: int = option(128, "games that one self-play thread plays together", low=1, high=65536)
    batch_rows: int = option(64, "positions that the network evaluates in one call", low=1, high=65536)
    cached_positions: int = option(100_000, "evaluations that are remembered for each network; 0: none", low=0)
    backend: str = option(
        "tensorflow",
        "what evaluates positions; auto: the fastest here, in any precision that agrees with float32",
        choices=("auto", "tensorflow", "openvino", "jax"),
    )
    precision: str = option(
        "auto",
        "arithmetic of inference and training; auto: bfloat16 where that is faster; int8: inference alone (openvino)",
        choices=("auto", "float32", "bfloat16", "int8"),
    )


@dataclass(frozen=True)
class Config:
    """Everything about a run. `machine` may change when it resumes; the rest is fixed when it starts."""

    game: GameConfig = field(default_factory=GameConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    selfplay: SelfPlayConfig = field(default_factory=SelfPlayConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    match: MatchConfig = field(default_factory=MatchConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.seed) is not int or not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"seed must be an integer in 0..{MAX_SEED}, got {self.seed!r}")

    def to_dict(self) -> dict[str, Any]:
        """The config as plain data, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what `to_dict` wrote.

        Raises:
            ConfigError: a section or field is unknown, of the wrong type, or out of its range.
        """
        sections = {spec.name: spec for spec in dataclasses.fields(cls)}
        arguments: dict[str, Any] = {}
        for name, value in data.items():
            if name not in sections:
                raise ConfigError(f"config has no section {name!r}; it has {', '.join(sections)}")
            arguments[name] = value if name == "seed" else _section_from_dict(SECTIONS[name], name, value)
        return cls(**arguments)

    def learning_sha256(self) -> str:
        """Hash of all that decides what is learned: all but `machine` and what RESUMABLE names."""
        data = self.to_dict()
        del data["machine"]
        for section, name in RESUMABLE:
            del data[section][name]
        for section, fields in data.items():
            for spec in dataclasses.fields(SECTIONS[section]) if section in SECTIONS else ():
                if spec.metadata["is_late"] and fields[spec.name] == spec.default:
                    del fields[spec.name]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def resumed_with(self, other: "Config") -> Self:
        """This config with what may change when a run resumes, as another has it."""
        data, theirs = self.to_dict(), other.to_dict()
        data["machine"] = theirs["machine"]
        for section, name in RESUMABLE:
            data[section][name] = theirs[section][name]
        return self.from_dict(data)

    def learning_differences(self, other: "Config") -> list[str]:
        """The learning fields in which two configs differ, as "section.field: mine, theirs"."""
        mine, theirs = self.to_dict(), other.to_dict()
        fixed = {"machine", "seed"}
        names = [(s, f) for s in mine if s not in fixed for f in mine[s] if (s, f) not in RESUMABLE]
        found = [f"{s}.{f}: {mine[s][f]!r}, {theirs[s][f]!r}" for s, f in names if mine[s][f] != theirs[s][f]]
        return found + ([f"seed: {self.seed}, {other.seed}"] if self.seed != other.seed else [])


SECTIONS: dict[str, type[Section]] = {
    "game": GameConfig,
    "network": NetworkConfig,
    "search": SearchConfig,
    "selfplay": SelfPlayConfig,
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "match": MatchConfig,
    "loop": LoopConfig,
    "machine": MachineConfig,
}
RESUMABLE = {("loop", "minutes"), ("loop", "generations"), ("loop", "rating_games")}
"""Fields outside `machine` that may change when a run resumes: how long it goes on, and what is measured beside it."""


def _section_from_dict(section: type[Section], name: str, data: Any) -> Section:
    known = {spec.name for spec in dataclasses.fields(section)}
    if not isinstance(data, dict):
        raise ConfigError(f"{name} must be a table of fields, got {data!r}")
    unknown = set(data) - known
    if unknown:
        raise ConfigError(f"{name} has no field {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
    return section(**data)
