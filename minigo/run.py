# SPDX-License-Identifier: Apache-2.0
"""A run's directory, local or gs://: the one place where self-play, training and evaluation meet.

This is the only module that knows a path inside a run. Files are written once; only `state/champion.json` and
`state/trainer.json` change, by compare-and-swap. docs/formats.md describes every file. Start at `Run`.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minigo import __version__
from minigo.config import Config, ConfigError
from minigo.documents import CorruptError, Documents, RunError, StaleError, finite, first_free, to_json
from minigo.patience import PatientStorage
from minigo.storage import (
    AlreadyExists,
    LocalStorage,
    NotFound,
    Storage,
    StorageError,
    Unavailable,
    Version,
    storage_at,
)

__all__ = [
    "Champion",
    "CorruptError",
    "Run",
    "RunError",
    "StaleError",
    "TrainerState",
    "is_network",
    "is_run",
    "read_network",
]

RUN_DOCUMENT: Final = "run.json"
TRAINER_STATE: Final = "state/trainer.json"
CHAMPION_STATE: Final = "state/champion.json"
HISTORY: Final = "state/history/"
NETWORK_MARKER: Final = "/network.json"
CHECKPOINTS: Final = "checkpoints/"
"""What `minigo.run_copy` has to know of paths."""

AUDIT_SECONDS: Final = 600.0
LATEST_HOURS: Final = 3

_log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Champion:
    """The network that plays the games."""

    network: str
    number_of_promotions: int  # of this run, this one included
    version: Version = dataclasses.field(compare=False)


@dataclass(frozen=True)
class TrainerState:
    """How far training has come. `version` is of the stored state that this was read from."""

    epoch: int = 0  # how often a trainer has started
    step: int = 0
    positions_seen: int = 0  # positions of games that entered the window
    games_seen: int = 0
    examples_seen: int = 0  # examples trained on
    checkpoint: str | None = None  # folder of the weights and the optimizer, or None before the first commit
    manifests: tuple[str, ...] = ()  # lists of the shards consumed
    version: Version = dataclasses.field(default="", compare=False)


def is_passing(path: str) -> bool:
    """Whether a file says only how things are now, is written over, and has no place in a copy of the run."""
    return path.startswith(("heartbeats/", "tensorboard/")) or ("/" not in path and path != RUN_DOCUMENT)


def shard_stem(path: str) -> str:
    """The name of a shard: the last part of its path without the suffix. Runs have a great many."""
    return path.rpartition("/")[2].removesuffix(".parquet")


class Run:
    """One run. Make it with `create`, `open` or `create_or_resume`.

    Args:
        storage: where it is.
        config: what it was made with.
        on_damage: told of what is damaged, as (path, reason), which is then left out of what lists it. By default
            damage is an error: only those who show a run to people want to go on.
    """

    def __init__(self, storage: Storage, config: Config, on_damage: Callable[[str, str], object] | None = None) -> None:
        self.config = config
        self.url = storage.url
        self._storage = storage
        self._documents = Documents(storage)
        self._hasty_documents = self._documents  # waits for nothing
        self._on_damage = on_damage
        self._read_once: dict[str, dict[str, Any]] = {}  # documents that never change
        self._manifests: dict[str, frozenset[str]] = {}  # immutable, so read once
        self._metrics: dict[str, list[dict[str, Any]]] = {}
        self._next_chunk: dict[str, int] = {}
        self._listings: dict[str, tuple[float, set[str]]] = {}  # when each folder of shards was audited, and its paths

    @classmethod
    def create(cls, url: str, config: Config, info: dict[str, Any] | None = None) -> "Run":
        """Starts a run in an empty or new place. `info` is stored beside the config (versions, commit).

        Raises:
            RunError: something is there already.
        """
        storage = storage_at(url)
        if is_run(url):
            raise RunError(f"{url} is a run already")
        for occupant in storage.list(""):
            raise RunError(f"{url} is not a run and not empty (it has {occupant}); choose an empty folder")
        document = {
            **(info if info is not None else {}),
            "config": config.to_dict(),
            "config_sha256": config.learning_sha256(),
            "created": time.time(),
            "minigo_version": __version__,
            "python_version": sys.version.split()[0],
        }
        try:
            storage.create("run.json", to_json(document))
        except AlreadyExists:
            raise RunError(f"{url} became a run while it was being created") from None
        return cls(storage, config)

    @classmethod
    def open(cls, url: str, on_damage: Callable[[str, str], object] | None = None) -> "Run":
        """An existing run, with the config it was made with. `on_damage` is as for the class.

        Raises:
            RunError: it is no run, or one of an incompatible version.
        """
        storage = storage_at(url)
        document, _ = Documents(storage).read("run.json")
        if document is None:
            raise RunError(f"{url} is not a run (missing run.json)")
        try:
            run = cls(storage, Config.from_dict(document["config"]), on_damage)
            if run.config.learning_sha256() != document["config_sha256"]:
                raise ConfigError("its config lacks learning settings of this version, or has been changed")
            return run
        except (ConfigError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"run at {url} was made by an incompatible version: {error}") from None

    @classmethod
    def create_or_resume(
        cls, url: str, config: Config, info: dict[str, Any] | None = None, *, keep_settings: bool = False
    ) -> "Run":
        """Resumes the run at `url` with this config's machine settings and limits, or creates it.

        Args:
            url: a folder or a place in a bucket.
            config: what a new run is made with.
            info: stored in a new run, too.
            keep_settings: whether a run that was made with other learning settings goes on with those.

        Raises:
            RunError: the run was made with other learning settings, or something else is there.
        """
        if not is_run(url):
            return cls.create(url, config, info)
        run = cls.open(url)
        changed = [_changed_setting(difference) for difference in run.config.learning_differences(config)]
        if changed and keep_settings:
            _log.warning("run at %s keeps its settings: it was made with %s", url, "; ".join(changed))
            run.config = dataclasses.replace(run.config, machine=config.machine)
            return run
        if changed:
            raise RunError(
                f"run at {url} was made with {'; '.join(changed)}: learning settings are fixed when a run starts"
            )
        run.config = config
        return run

    def be_patient(self, stop: threading.Event, on_retry: Callable[[], None] = lambda: None) -> None:
        """From here on waits for a bucket that is out of reach, until `stop` is set. A folder is not waited for.

        Args:
            stop: ends the waiting with the error that began it.
            on_retry: called whenever something is tried again.
        """
        if not isinstance(self._storage, LocalStorage):
            self._storage = PatientStorage(self._storage, stop, on_retry)
            self._documents = Documents(self._storage)

    def identity(self) -> str:
        """Tells this run from every other, one that was made in the same place included."""
        return hashlib.sha256(self.read("run.json")).hexdigest()

    # Networks: the weights first, the marker network.json last.

    def publish_network(self, weights: bytes, info: dict[str, Any]) -> str:
        """Stores a network under the next free number and returns its name, like "000012"."""
        digest = hashlib.sha256(weights).hexdigest()

        def attempt(number: int) -> str:
            name = f"{number:06d}"
            marker = {**info, "name": name, "weights_sha256": digest, "created": time.time()}
            self._storage.create(f"networks/{name}/weights.safetensors", weights)
            self._storage.create(f"networks/{name}/network.json", to_json(marker))
            return name

        networks = self.networks()
        return first_free(attempt, int(networks[-1]) + 1 if networks else 0)

    def networks(self) -> list[str]:
        """Names of all published networks, oldest first."""
        paths = (path.split("/") for path in self._storage.list("networks/"))
        return [name for _, name, *file in paths if name.isdigit() and file == ["network.json"]]

    def network_files(self, name: str) -> tuple[bytes, dict[str, Any]]:
        """The network's weights and info.

        Raises:
            RunError: there is no such network.
            CorruptError: the weights are not those that were published.
        """
        return _read_network(self._storage, f"networks/{_checked(name)}/")

    def network_info(self, name: str) -> dict[str, Any]:
        """The network's info alone, without reading its weights. Raises RunError where there is none."""
        return self._documents.require(f"networks/{_checked(name)}/network.json")

    def network_path(self, name: str) -> str:
        """URL of the folder that holds the network."""
        return f"{self.url}/networks/{_checked(name)}"

    # The champion.

    def champion(self) -> Champion | None:
        """The network that plays, or None before the first promotion."""
        document, version = self._documents.read("state/champion.json")
        if document is None:
            return None
        return Champion(document["network"], document["number"], version)

    def promote(self, network: str, verdict: dict[str, Any], expected: Champion | None) -> Champion:
        """Makes a network the champion if the verdict's champion, the expected one, still is in place.

        Raises:
            StaleError: another champion took over meanwhile.
            RunError: the network is not published.
        """
        if not _exists(self._storage, f"networks/{_checked(network)}/network.json"):
            raise RunError(f"{self.url} has no network {network} to promote (missing network.json)")
        number = expected.number_of_promotions + 1 if expected is not None else 1
        previous = expected.network if expected is not None else None
        self._archive_champion()
        document = {"network": network, "number": number, "previous": previous, "verdict": verdict}
        version = self._documents.move(
            "state/champion.json", document, expected.version if expected is not None else None
        )
        self._archive_champion()
        return Champion(network, number, version)

    def history(self) -> list[dict[str, Any]]:
        """Every promotion, oldest first: network, number, previous, verdict, time."""
        entries = list(self._read_all(self._storage.list("state/history/")).values())
        champion = self._read_all(["state/champion.json"], may_change=True).get("state/champion.json")
        if champion is not None and champion not in entries[-1:]:
            entries.append(champion)  # its promoter was killed, or is about to file it
        return entries

    def _archive_champion(self) -> None:
        # Called before and after each move of the state, so that a kill between the two loses no entry.
        document, _ = self._documents.read("state/champion.json")
        if document is not None:
            self._storage.create(f"state/history/{document['number']:06d}.json", to_json(document))

    # Shards of game records.

    @staticmethod
    def shard_name(network: str, worker: str, sequence: int, hour: str | None = None) -> str:
        """The name of a worker's shard. Fix it before the first attempt to publish.

        Args:
            network: the network that played.
            worker: the worker's own id.
            sequence: counts the worker's shards, from 0.
            hour: like "2024123123", in UTC; by default now.
        """
        hour = _hour() if hour is None else hour
        if "-" in network:
            raise RunError(f"a network's name must have no dash, got {network!r}")
        return f"{_checked(hour)}/{_checked(network)}-{_checked(worker)}-{sequence:06d}"

    def publish_shard(self, name: str, data: bytes, *, holdout: bool = False) -> str:
        """Stores a shard and returns its path; the same bytes again are fine.

        Raises:
            RunError: a shard of this name holds other games.
        """
        path = f"{_shard_folder(holdout)}/{name}.parquet"
        try:
            self._storage.create(path, data)
        except AlreadyExists:
            raise RunError(f"{self.url}/{path} holds other games: two workers with one id?") from None
        return path

    def shards(self, *, holdout: bool = False) -> list[str]:
        """Paths of all shards, sorted; the quarantined ones are among them.

        A bucket is listed in full every `AUDIT_SECONDS`; in between only its latest hours are, so that a shard which
        took longer than those to be published is seen a little later.
        """
        folder = _shard_folder(holdout)
        audited, known = self._listings.get(folder, (-math.inf, set()))
        if isinstance(self._storage, LocalStorage) or time.monotonic() - audited >= AUDIT_SECONDS:
            audited, known, prefixes = time.monotonic(), set(), [f"{folder}/"]
        else:
            prefixes = [f"{folder}/{hour}/" for hour in _latest_hours()]
        for prefix in prefixes:
            known = known.union(path for path in self._storage.list(prefix) if path.endswith(".parquet"))
        self._listings[folder] = (audited, known)
        return sorted(known)

    def next_sequence(self, worker: str) -> int:
        """The first sequence number that no published shard of this worker has reached; everything is listed anew."""
        folders = (_shard_folder(holdout) for holdout in (False, True))
        paths = [path for folder in folders for path in self._storage.list(f"{folder}/") if path.endswith(".parquet")]
        names = [shard_stem(path) for path in paths]
        parts = [name.partition("-")[2].rpartition("-") for name in names]
        numbers = [int(number) for owner, _, number in parts if owner == worker and number.isdigit()]
        return max(numbers, default=-1) + 1

    def read(self, path: str) -> bytes:
        """The bytes of a shard or match game by the path that listed it."""
        return self._storage.read(path)[0]

    def quarantine(self, path: str, reason: str) -> None:
        """Copies what failed its checks to quarantine/, with the reason; the first reason stays."""
        if path in self.quarantined():
            return
        self._storage.create(f"quarantine/files/{path}", self.read(path))
        self._documents.create_first(
            f"quarantine/reasons/{path}.json", {"path": path, "reason": reason, "time": time.time()}
        )

    def quarantined(self) -> dict[str, str]:
        """Paths of what was quarantined, each with its reason."""
        entries = self._read_all(self._storage.list("quarantine/reasons/")).values()
        return {entry["path"]: entry["reason"] for entry in entries}

    # The trainer: checkpoint and consumed shards move together, in one swap.

    def trainer_state(self) -> TrainerState | None:
        """How far training has come, or None before any trainer started."""
        document, version = self._documents.read("state/trainer.json")
        if document is None:
            return None
        fields = {spec.name: document[spec.name] for spec in dataclasses.fields(TrainerState)[:-1]}
        return TrainerState(**{**fields, "manifests": tuple(fields["manifests"]), "version": version})

    def start_trainer(self) -> TrainerState:
        """Begins a new epoch: from here on the trainer that ran before can not commit any more.

        Raises:
            StaleError: another trainer started at the same moment.
        """
        current = self.trainer_state()
        started = current if current is not None else TrainerState()
        return self._move_trainer(dataclasses.replace(started, epoch=started.epoch + 1), current)

    def commit_trainer(
        self,
        state: TrainerState,
        checkpoint: dict[str, bytes],
        consumed: Iterable[str],
        expected: TrainerState | None,
    ) -> TrainerState:
        """Moves training on: checkpoint and list of consumed shards are stored, then take effect at once.

        Args:
            state: the new counts; its checkpoint and manifests are filled in here.
            checkpoint: file name -> bytes.
            consumed: paths of the shards that entered training since `expected`.
            expected: the state that training went on from.

        Returns:
            The state as stored; the next commit expects it.

        Raises:
            StaleError: another trainer has started or committed since; stop.
        """
        manifests = expected.manifests if expected is not None else ()
        shards = sorted(consumed)
        if shards:
            manifests = (*manifests, self._write_manifest(shards, len(manifests)))
        folder = self._write_checkpoint(state, checkpoint)
        moved = self._move_trainer(dataclasses.replace(state, checkpoint=folder, manifests=manifests), expected)
        if expected is not None and expected.checkpoint is not None:
            self._prune_checkpoints(expected.checkpoint)
        return moved

    def consumed_shards(self) -> set[str]:
        """Paths of all shards that committed training has consumed."""
        state = self.trainer_state()
        return set().union(*map(self._manifest, state.manifests)) if state is not None else set()

    def consumption_order(self) -> list[str]:
        """Paths of the consumed shards, those that training consumed first at the front."""
        state = self.trainer_state()
        manifests = state.manifests if state is not None else ()
        return [path for manifest in manifests for path in sorted(self._manifest(manifest))]

    def read_checkpoint(self, state: TrainerState) -> dict[str, bytes]:
        """The files of the state's checkpoint; none before the first commit.

        Raises:
            CorruptError: they are not those that were committed.
        """
        if state.checkpoint is None:
            return {}
        paths = list(self._storage.list(f"{state.checkpoint}/"))
        files = {path.rpartition("/")[2]: self.read(path) for path in paths}
        if not state.checkpoint.endswith(_files_digest(files)):
            raise CorruptError(f"{self.url}/{state.checkpoint} is not the checkpoint that was committed")
        return files

    def _move_trainer(self, state: TrainerState, expected: TrainerState | None) -> TrainerState:
        document = dataclasses.asdict(state)
        del document["version"]
        version = self._documents.move(
            "state/trainer.json", document, expected.version if expected is not None else None
        )
        return dataclasses.replace(state, version=version)

    def _write_manifest(self, shards: list[str], number: int) -> str:
        hour = _hour()

        def attempt(number: int) -> str:
            path = f"manifests/{hour}-{number:06d}.json"
            self._storage.create(path, to_json({"shards": shards}))
            return path

        return first_free(attempt, number)

    def _manifest(self, path: str) -> frozenset[str]:
        if path not in self._manifests:
            self._manifests[path] = frozenset(self._documents.require(path)["shards"])
        return self._manifests[path]

    def _write_checkpoint(self, state: TrainerState, files: dict[str, bytes]) -> str:
        folder = f"checkpoints/{state.step:010d}-e{state.epoch:06d}-{_files_digest(files)}"
        for name, data in files.items():
            self._storage.create(f"{folder}/{_checked(name)}", data)
        return folder

    def _prune_checkpoints(self, oldest_kept: str) -> None:
        # Names sort by step and epoch: what another trainer is writing now sorts later, and stays.
        for path in list(self._storage.list("checkpoints/")):
            if path < oldest_kept:
                self._storage.delete(path)

    # Matches: the first writer of a game's index wins.

    def publish_match_spec(self, match: str, spec: dict[str, Any]) -> None:
        """Fixes what a match is; the same again is fine.

        Raises:
            RunError: the match exists with another spec.
        """
        stored = self.match_spec(match)
        if stored is None:  # to create what is there could be refused to who may not replace it
            stored = self._documents.create_first(f"matches/{_checked(match)}/spec.json", {"spec": spec})["spec"]
        if stored != json.loads(json.dumps(spec)):
            raise RunError(f"{self.url}/matches/{match} exists with another spec")

    def match_spec(self, match: str) -> dict[str, Any] | None:
        """What was published by `publish_match_spec`, or None."""
        document, _ = self._documents.read(f"matches/{_checked(match)}/spec.json")
        return document["spec"] if document is not None else None

    def matches(self) -> list[str]:
        """Names of all matches that have anything stored, sorted."""
        return sorted({path.split("/")[1] for path in self._storage.list("matches/")})

    def publish_match_game(self, match: str, index: int, data: bytes) -> bool:
        """Stores a game's record unless that index has one; whether the record in force is this one."""
        try:
            self._storage.create(self.match_game_path(match, index), data)
        except AlreadyExists:
            return False
        return True

    def match_games(self, match: str) -> dict[int, str]:
        """Paths of a match's games by index."""
        paths = self._storage.list(f"matches/{_checked(match)}/")
        return {int(Path(path).stem): path for path in paths if re.search(r"/\d+\.parquet$", path)}

    @staticmethod
    def match_game_path(match: str, index: int) -> str:
        """Where a match's game is, if it has been played."""
        return f"matches/{_checked(match)}/{index:06d}.parquet"

    def all_match_games(self) -> list[tuple[str, int, str]]:
        """(match, index, path) of every game of every match, sorted; one listing for all of them."""
        parts = [(path, path.split("/")) for path in self._storage.list("matches/")]
        return sorted(
            (part[1], int(part[2].removesuffix(".parquet")), path)
            for path, part in parts
            if len(part) == 3 and re.fullmatch(r"\d+\.parquet", part[2])
        )

    def publish_verdict(self, match: str, verdict: dict[str, Any]) -> dict[str, Any]:
        """Stores what a match decided about verdict["candidate"]; returns the first, which is in force."""
        candidate = _checked(verdict["candidate"])
        return self._documents.create_first(
            f"matches/{_checked(match)}/verdict.json", {**verdict, "candidate": candidate}
        )

    def verdict(self, match: str) -> dict[str, Any] | None:
        """What a match decided, or None."""
        path = f"matches/{_checked(match)}/verdict.json"
        return self._read_all([path]).get(path)

    def verdicts(self) -> dict[str, dict[str, Any]]:
        """The verdict on each candidate that was judged."""
        paths = (path for path in self._storage.list("matches/") if path.endswith("/verdict.json"))
        found = {}
        for path, verdict in self._read_all(paths).items():
            if isinstance(verdict.get("candidate"), str):
                found[verdict["candidate"]] = verdict
            elif self._on_damage is None:
                raise CorruptError(f"{self.url}/{path} names no candidate")
            else:
                self._on_damage(path, f"{self.url}/{path} names no candidate")
        return found

    # Metrics, heartbeats and reports: for people; nothing above depends on them.

    def append_metrics(self, role: str, worker: str, rows: Iterable[dict[str, Any]]) -> None:
        """Stores rows of numbers, each with its time in seconds since 1970 (now, if it has none)."""
        now = time.time()
        lines = [json.dumps(finite({"time": now, **row}), sort_keys=True) for row in rows]
        if not lines:
            return
        base = f"metrics/{_checked(role)}/{_checked(worker)}-"
        data = ("\n".join(lines) + "\n").encode()

        def attempt(number: int) -> int:
            self._storage.create(f"{base}{number:06d}.jsonl", data)
            return number

        start = self._next_chunk[base] if base in self._next_chunk else len(list(self._storage.list(base)))
        self._next_chunk[base] = first_free(attempt, start) + 1

    def metrics(self, role: str) -> list[dict[str, Any]]:
        """All rows of a role in the order of their times."""
        rows: list[dict[str, Any]] = []
        for path in self._storage.list(f"metrics/{_checked(role)}/"):
            if path not in self._metrics:
                try:
                    self._metrics[path] = _metric_rows(self.read(path))
                except (ValueError, TypeError, LookupError, StorageError) as error:
                    if self._on_damage is None:
                        raise
                    self._on_damage(path, f"{self.url}/{path} holds no rows of numbers: {error!r}")
                    continue
            rows += self._metrics[path]
        return sorted(rows, key=lambda row: float(row["time"]))

    def heartbeat(self, worker: str, status: dict[str, Any]) -> None:
        """Says that a worker lives and what it does; the last writer wins. Not said while storage is out of reach."""
        document = finite({**status, "time": time.time()})
        with contextlib.suppress(Unavailable):
            self._hasty_documents.put_latest(f"heartbeats/{_checked(worker)}.json", to_json(document))

    def heartbeats(self) -> dict[str, dict[str, Any]]:
        """The last word of each worker."""
        documents = self._read_all(self._storage.list("heartbeats/"), may_change=True)
        return {Path(path).stem: document for path, document in documents.items()}

    def write_report(self, name: str, data: bytes) -> str:
        """Stores a page or picture about the run over the one before it, and returns its URL."""
        self._documents.put_latest(_checked(name), data)
        return f"{self.url}/{name}"

    def about(self) -> dict[str, Any]:
        """What was stored when it was made, the config included: times and versions."""
        return self._documents.require("run.json")

    def tensorboard_folder(self, role: str) -> Path | None:
        """Where a local run keeps a role's TensorBoard events; None where the run is not local."""
        if not isinstance(self._storage, LocalStorage):
            return None
        return self._storage.root / "tensorboard" / _checked(role)

    def _read_all(self, paths: Iterable[str], *, may_change: bool = False) -> dict[str, dict[str, Any]]:
        """The documents at these paths, each read once unless it may change; some are left out if `on_damage` is there.

        Raises:
            RunError: one is damaged or gone, and nobody wants to be told of it instead.
        """
        found = {}
        for path in paths:
            document = self._read_once.get(path)
            try:
                if document is None:
                    document, _ = self._documents.read(path)
            except (RunError, StorageError) as error:
                if self._on_damage is None:
                    raise
                self._on_damage(path, str(error))
            if document is not None:
                found[path] = document
                if not may_change:
                    self._read_once[path] = document
        return found


def is_run(url: str) -> bool:
    """Whether there is a run at this place."""
    return _exists(storage_at(url), "run.json")


def is_network(url: str) -> bool:
    """Whether this folder is a published network."""
    return _exists(storage_at(url), "network.json")


def read_network(url: str) -> tuple[bytes, dict[str, Any]]:
    """The weights and the info of the network in this folder, in a run or copied out of one.

    Raises:
        RunError: the folder holds no network.
        CorruptError: the weights are not those that were published.
    """
    return _read_network(storage_at(url), "")


def _read_network(storage: Storage, folder: str) -> tuple[bytes, dict[str, Any]]:
    url = f"{storage.url}/{folder}".rstrip("/")
    info, _ = Documents(storage).read(f"{folder}network.json")
    if info is None:
        raise RunError(f"{url} is not a network (missing network.json)")
    try:
        weights, _ = storage.read(f"{folder}weights.safetensors")
    except NotFound:
        raise CorruptError(f"network at {url} has no weights.safetensors") from None
    actual = hashlib.sha256(weights).hexdigest()
    if actual != info.get("weights_sha256"):
        raise CorruptError(f"weights of {url} must have sha256 {info.get('weights_sha256')!s:.12}…, got {actual:.12}…")
    return weights, info


def _metric_rows(data: bytes) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in data.splitlines()]
    return [{**row, "time": float(row["time"])} for row in rows]


def _exists(storage: Storage, path: str) -> bool:
    return path in storage.list(path)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise RunError(f"a name must be letters, digits and ._- and begin with one of the former, got {name!r}")
    return name


def _changed_setting(difference: str) -> str:
    field, _, values = difference.partition(": ")
    made, _, asked = values.partition(", ")
    return f"{field}={made}, now {asked}"


def _shard_folder(holdout: bool) -> str:
    return "holdout" if holdout else "games"


def _hour(ago: int = 0) -> str:
    return time.strftime("%Y%m%d%H", time.gmtime(time.time() - 3600 * ago))


def _latest_hours() -> list[str]:
    """The hours that shards are likely to be named after that were published since a minute ago, oldest first."""
    return [_hour(ago) for ago in reversed(range(LATEST_HOURS))]


def _files_digest(files: dict[str, bytes]) -> str:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]
