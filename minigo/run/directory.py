# SPDX-License-Identifier: Apache-2.0
"""`Run`: the directory itself: its config, networks, champion and shards. Its other parts are attributes of it."""

import dataclasses
import hashlib
import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from minigo import __version__
from minigo.config import Config, ConfigError
from minigo.documents import CorruptError, Documents, NoRunError, RunError, first_free, to_json
from minigo.run.files import RunFiles, checked_name, hour_name
from minigo.run.matches import Matches
from minigo.run.telemetry import Telemetry
from minigo.run.training import Training
from minigo.storage import AlreadyExists, NotFound, Storage, Version, storage_at

RUN_DOCUMENT: Final = "run.json"
CHAMPION_STATE: Final = "state/champion.json"
HISTORY: Final = "state/history/"
NETWORK_MARKER: Final = "/network.json"
COPYING: Final = "copying.json"  # there while a copy goes into a run
CURRICULUM: Final = "curriculum"  # a run of its own, on a smaller board
"""What `minigo.run_copy` has to know of paths; the rest is in `minigo.run.training`."""

AUDIT_SECONDS: Final = 600.0
LATEST_HOURS: Final = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """The network that plays the games."""

    network: str
    number_of_promotions: int  # of this run, this one included
    version: Version = dataclasses.field(compare=False)


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
        self._files = RunFiles(storage, on_damage)
        self.training = Training(self._files)
        self.matches = Matches(self._files)
        self.telemetry = Telemetry(self._files)
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
            NoRunError: it is no run.
            RunError: it is one of an incompatible version, or a copy into it was interrupted.
        """
        storage = storage_at(url)
        document, _ = Documents(storage).read("run.json")
        if document is None:
            raise NoRunError(f"{url} is not a run (missing run.json)")
        if COPYING in storage.list(COPYING):
            raise RunError(
                f"{url} has been copied to, not to the end: the same minigo copy goes on; "
                f"where that can not be, delete {COPYING} there"
            )
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
            run.config = run.config.resumed_with(config)
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
        self._files.be_patient(stop, on_retry)

    def identity(self) -> str:
        """Tells this run from every other, one that was made in the same place included."""
        return hashlib.sha256(self._files.read("run.json")).hexdigest()

    def about(self) -> dict[str, Any]:
        """What was stored when it was made, the config included: times and versions."""
        return self._files.documents.require("run.json")

    # Networks: the weights first, the marker network.json last.

    def publish_network(self, weights: bytes, info: dict[str, Any]) -> str:
        """Stores a network under the next free number and returns its name, like "000012"."""
        digest = hashlib.sha256(weights).hexdigest()

        def attempt(number: int) -> str:
            name = f"{number:06d}"
            marker = {**info, "name": name, "weights_sha256": digest, "created": time.time()}
            self._files.storage.create(f"networks/{name}/weights.safetensors", weights)
            self._files.storage.create(f"networks/{name}/network.json", to_json(marker))
            return name

        networks = self.networks()
        return first_free(attempt, int(networks[-1]) + 1 if networks else 0)

    def publish_first_network(self, weights: bytes, info: dict[str, Any]) -> str:
        """Stores a copy of another run's network, with which this one begins; returns its name."""
        kept = ("network_format", "network", "planes", "scalars", "versions")
        origin = {
            **{name: info[name] for name in kept if name in info},
            **dict.fromkeys(("step", "positions_seen", "games_seen", "examples_seen"), 0),
            "parent": None,
            "config_sha256": self.config.learning_sha256(),
            "copy_of": {name: info.get(name) for name in ("name", "config_sha256")},
        }
        return self.publish_network(weights, origin)

    def untrained_network(self) -> str | None:
        """The network that knows nothing, with which the run began; None if it began with a copy, or not yet."""
        first, is_copy = self._first_network()
        return None if is_copy else first

    def random_games(self) -> int:
        """Games of random playouts that a run's first training learns from: none if the run began with a copy."""
        _, is_copy = self._first_network()
        return 0 if is_copy else self.config.selfplay.random_games

    def _first_network(self) -> tuple[str | None, bool]:
        """The oldest network, None where there is none yet, and whether it is a copy of another run's."""
        first = next(iter(self.networks()), None)
        return first, first is not None and "copy_of" in self.network_info(first)

    def networks(self) -> list[str]:
        """Names of all published networks, oldest first."""
        paths = (path.split("/") for path in self._files.storage.list("networks/"))
        return [name for _, name, *file in paths if name.isdigit() and file == ["network.json"]]

    def network_files(self, name: str) -> tuple[bytes, dict[str, Any]]:
        """The network's weights and info.

        Raises:
            RunError: there is no such network.
            CorruptError: the weights are not those that were published.
        """
        return _read_network(self._files.storage, f"networks/{checked_name(name)}/")

    def network_info(self, name: str) -> dict[str, Any]:
        """The network's info alone, without reading its weights. Raises RunError where there is none."""
        return self._files.documents.require(f"networks/{checked_name(name)}/network.json")

    def network_path(self, name: str) -> str:
        """URL of the folder that holds the network."""
        return f"{self.url}/networks/{checked_name(name)}"

    def seconds_used(self, worker: str) -> float:
        """Seconds of its budget that a run has used, by what this worker last said, or by its last training."""
        state, told = self.training.state(), self.telemetry.heartbeats().get(worker, {}).get("elapsed_seconds", 0.0)
        return max(float(told), state.seconds if state is not None else 0.0)

    # The champion.

    def champion(self) -> Champion | None:
        """The network that plays, or None before the first promotion."""
        document, version = self._files.documents.read("state/champion.json")
        if document is None:
            return None
        return Champion(document["network"], document["number"], version)

    def promote(self, network: str, verdict: dict[str, Any], expected: Champion | None) -> Champion:
        """Makes a network the champion if the verdict's champion, the expected one, still is in place.

        Raises:
            StaleError: another champion took over meanwhile.
            RunError: the network is not published.
        """
        if not self._files.exists(f"networks/{checked_name(network)}/network.json"):
            raise RunError(f"{self.url} has no network {network} to promote (missing network.json)")
        number = expected.number_of_promotions + 1 if expected is not None else 1
        previous = expected.network if expected is not None else None
        self._archive_champion()
        document = {"network": network, "number": number, "previous": previous, "verdict": verdict}
        version = self._files.documents.move(
            "state/champion.json", document, expected.version if expected is not None else None
        )
        self._archive_champion()
        return Champion(network, number, version)

    def history(self) -> list[dict[str, Any]]:
        """Every promotion, oldest first: network, number, previous, verdict, time."""
        entries = list(self._files.read_all(self._files.storage.list("state/history/")).values())
        champion = self._files.read_all(["state/champion.json"], may_change=True).get("state/champion.json")
        if champion is not None and champion not in entries[-1:]:
            entries.append(champion)  # its promoter was killed, or is about to file it
        return entries

    def _archive_champion(self) -> None:
        # Called before and after each move of the state, so that a kill between the two loses no entry.
        document, _ = self._files.documents.read("state/champion.json")
        if document is not None:
            self._files.storage.create(f"state/history/{document['number']:06d}.json", to_json(document))

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
        hour = hour_name() if hour is None else hour
        if "-" in network:
            raise RunError(f"a network's name must have no dash, got {network!r}")
        return f"{checked_name(hour)}/{checked_name(network)}-{checked_name(worker)}-{sequence:06d}"

    def publish_shard(self, name: str, data: bytes, *, holdout: bool = False) -> str:
        """Stores a shard and returns its path; the same bytes again are fine.

        Raises:
            RunError: a shard of this name holds other games.
        """
        path = f"{_shard_folder(holdout)}/{name}.parquet"
        try:
            self._files.storage.create(path, data)
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
        if self._files.is_local or time.monotonic() - audited >= AUDIT_SECONDS:
            audited, known, prefixes = time.monotonic(), set(), [f"{folder}/"]
        else:
            prefixes = [f"{folder}/{hour}/" for hour in _latest_hours()]
        for prefix in prefixes:
            known = known.union(path for path in self._files.storage.list(prefix) if path.endswith(".parquet"))
        self._listings[folder] = (audited, known)
        return sorted(known)

    def next_sequence(self, worker: str) -> int:
        """The first sequence number that no published shard of this worker has reached; everything is listed anew."""
        folders = (_shard_folder(holdout) for holdout in (False, True))
        paths = [
            path for folder in folders for path in self._files.storage.list(f"{folder}/") if path.endswith(".parquet")
        ]
        names = [shard_stem(path) for path in paths]
        parts = [name.partition("-")[2].rpartition("-") for name in names]
        numbers = [int(number) for owner, _, number in parts if owner == worker and number.isdigit()]
        return max(numbers, default=-1) + 1

    def read(self, path: str) -> bytes:
        """The bytes of a shard or match game by the path that listed it."""
        return self._files.read(path)

    def quarantine(self, path: str, reason: str) -> None:
        """Copies what failed its checks to quarantine/, with the reason; the first reason stays."""
        if path in self.quarantined():
            return
        self._files.storage.create(f"quarantine/files/{path}", self._files.read(path))
        self._files.documents.create_first(
            f"quarantine/reasons/{path}.json", {"path": path, "reason": reason, "time": time.time()}
        )

    def quarantined(self) -> dict[str, str]:
        """Paths of what was quarantined, each with its reason."""
        entries = self._files.read_all(self._files.storage.list("quarantine/reasons/")).values()
        return {entry["path"]: entry["reason"] for entry in entries}


def is_run(url: str) -> bool:
    """Whether there is a run at this place."""
    return RunFiles(storage_at(url), None).exists("run.json")


def is_network(url: str) -> bool:
    """Whether this folder is a published network."""
    return RunFiles(storage_at(url), None).exists("network.json")


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


def _changed_setting(difference: str) -> str:
    field, _, values = difference.partition(": ")
    made, _, asked = values.partition(", ")
    return f"{field}={made}, now {asked}"


def _shard_folder(holdout: bool) -> str:
    return "holdout" if holdout else "games"


def _latest_hours() -> list[str]:
    """The hours that shards are likely to be named after that were published since a minute ago, oldest first."""
    return [hour_name(ago) for ago in reversed(range(LATEST_HOURS))]
