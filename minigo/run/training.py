# SPDX-License-Identifier: Apache-2.0
"""`Training`: how far training has come. Checkpoint and consumed shards move together, in one swap of the state."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from minigo.documents import CorruptError, first_free, to_json
from minigo.run.files import RunFiles, checked_name, hour_name
from minigo.storage import Version

TRAINER_STATE: Final = "state/trainer.json"
CHECKPOINTS: Final = "checkpoints/"


@dataclass(frozen=True)
class TrainerState:
    """How far training has come. `version` is of the stored state that this was read from."""

    epoch: int = 0  # how often a trainer has started
    step: int = 0
    positions_seen: int = 0  # positions of games that entered the window
    games_seen: int = 0
    examples_seen: int = 0  # examples trained on
    seconds: float = 0.0  # of the run's budget that were used by the last commit
    checkpoint: str | None = None  # folder of the weights and the optimizer, or None before the first commit
    manifests: tuple[str, ...] = ()  # lists of the shards consumed
    version: Version = dataclasses.field(default="", compare=False)


class Training:
    """The state of a run's trainer, which one trainer at a time can move on."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._manifests: dict[str, frozenset[str]] = {}  # immutable, so read once

    def state(self) -> TrainerState | None:
        """How far training has come, or None before any trainer started."""
        document, version = self._files.documents.read(TRAINER_STATE)
        if document is None:
            return None
        document = {"seconds": 0.0, **document}  # which versions before did not store
        fields = {spec.name: document[spec.name] for spec in dataclasses.fields(TrainerState)[:-1]}
        return TrainerState(**{**fields, "manifests": tuple(fields["manifests"]), "version": version})

    def start(self) -> TrainerState:
        """Begins a new epoch: from here on the trainer that ran before can not commit any more.

        Raises:
            StaleError: another trainer started at the same moment.
        """
        current = self.state()
        started = current if current is not None else TrainerState()
        return self._move(dataclasses.replace(started, epoch=started.epoch + 1), current)

    def commit(
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
        moved = self._move(dataclasses.replace(state, checkpoint=folder, manifests=manifests), expected)
        if expected is not None and expected.checkpoint is not None:
            self._prune_checkpoints(expected.checkpoint)
        return moved

    def consumed_shards(self) -> set[str]:
        """Paths of all shards that committed training has consumed."""
        state = self.state()
        return set().union(*map(self._manifest, state.manifests)) if state is not None else set()

    def consumption_order(self) -> list[str]:
        """Paths of the consumed shards, those that training consumed first at the front."""
        state = self.state()
        manifests = state.manifests if state is not None else ()
        return [path for manifest in manifests for path in sorted(self._manifest(manifest))]

    def read_checkpoint(self, state: TrainerState) -> dict[str, bytes]:
        """The files of the state's checkpoint; none before the first commit.

        Raises:
            CorruptError: they are not those that were committed.
        """
        if state.checkpoint is None:
            return {}
        paths = list(self._files.storage.list(f"{state.checkpoint}/"))
        files = {path.rpartition("/")[2]: self._files.read(path) for path in paths}
        if not state.checkpoint.endswith(_files_digest(files)):
            raise CorruptError(f"{self._files.url}/{state.checkpoint} is not the checkpoint that was committed")
        return files

    def _move(self, state: TrainerState, expected: TrainerState | None) -> TrainerState:
        document = dataclasses.asdict(state)
        del document["version"]
        version = self._files.documents.move(
            TRAINER_STATE, document, expected.version if expected is not None else None
        )
        return dataclasses.replace(state, version=version)

    def _write_manifest(self, shards: list[str], number: int) -> str:
        hour = hour_name()

        def attempt(number: int) -> str:
            path = f"manifests/{hour}-{number:06d}.json"
            self._files.storage.create(path, to_json({"shards": shards}))
            return path

        return first_free(attempt, number)

    def _manifest(self, path: str) -> frozenset[str]:
        if path not in self._manifests:
            self._manifests[path] = frozenset(self._files.documents.require(path)["shards"])
        return self._manifests[path]

    def _write_checkpoint(self, state: TrainerState, files: dict[str, bytes]) -> str:
        folder = f"{CHECKPOINTS}{state.step:010d}-e{state.epoch:06d}-{_files_digest(files)}"
        for name, data in files.items():
            self._files.storage.create(f"{folder}/{checked_name(name)}", data)
        return folder

    def _prune_checkpoints(self, oldest_kept: str) -> None:
        # Names sort by step and epoch: what another trainer is writing now sorts later, and stays.
        for path in list(self._files.storage.list(CHECKPOINTS)):
            if path < oldest_kept:
                self._files.storage.delete(path)


def _files_digest(files: dict[str, bytes]) -> str:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]
