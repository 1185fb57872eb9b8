# SPDX-License-Identifier: Apache-2.0
"""`Matches`: the matches of a run. The first writer of a game's index wins."""

import json
import re
from pathlib import Path
from typing import Any

from minigo.documents import CorruptError, RunError
from minigo.run.files import RunFiles, checked_name
from minigo.storage import AlreadyExists


class Matches:
    """What was to be played, was played and was decided, by the name of the match."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files

    def publish_spec(self, match: str, spec: dict[str, Any]) -> None:
        """Fixes what a match is; the same again is fine.

        Raises:
            RunError: the match exists with another spec.
        """
        stored = self.spec(match)
        if stored is None:  # to create what is there could be refused to who may not replace it
            path = f"matches/{checked_name(match)}/spec.json"
            stored = self._files.documents.create_first(path, {"spec": spec})["spec"]
        if stored != json.loads(json.dumps(spec)):
            raise RunError(f"{self._files.url}/matches/{match} exists with another spec")

    def spec(self, match: str) -> dict[str, Any] | None:
        """What was published by `publish_spec`, or None."""
        document, _ = self._files.documents.read(f"matches/{checked_name(match)}/spec.json")
        return document["spec"] if document is not None else None

    def names(self) -> list[str]:
        """Names of all matches that have anything stored, sorted."""
        return sorted({path.split("/")[1] for path in self._files.storage.list("matches/")})

    def publish_game(self, match: str, index: int, data: bytes) -> bool:
        """Stores a game's record unless that index has one; whether the record in force is this one."""
        try:
            self._files.storage.create(self.game_path(match, index), data)
        except AlreadyExists:
            return False
        return True

    def games(self, match: str) -> dict[int, str]:
        """Paths of a match's games by index."""
        paths = self._files.storage.list(f"matches/{checked_name(match)}/")
        return {int(Path(path).stem): path for path in paths if re.search(r"/\d+\.parquet$", path)}

    @staticmethod
    def game_path(match: str, index: int) -> str:
        """Where a match's game is, if it has been played."""
        return f"matches/{checked_name(match)}/{index:06d}.parquet"

    def all_games(self) -> list[tuple[str, int, str]]:
        """(match, index, path) of every game of every match, sorted; one listing for all of them."""
        parts = [(path, path.split("/")) for path in self._files.storage.list("matches/")]
        return sorted(
            (part[1], int(part[2].removesuffix(".parquet")), path)
            for path, part in parts
            if len(part) == 3 and re.fullmatch(r"\d+\.parquet", part[2])
        )

    def publish_verdict(self, match: str, verdict: dict[str, Any]) -> dict[str, Any]:
        """Stores what a match decided about verdict["candidate"]; returns the first, which is in force."""
        candidate = checked_name(verdict["candidate"])
        return self._files.documents.create_first(
            f"matches/{checked_name(match)}/verdict.json", {**verdict, "candidate": candidate}
        )

    def verdict(self, match: str) -> dict[str, Any] | None:
        """What a match decided, or None."""
        path = f"matches/{checked_name(match)}/verdict.json"
        return self._files.read_all([path]).get(path)

    def verdicts(self) -> dict[str, dict[str, Any]]:
        """The verdict on each candidate that was judged."""
        paths = (path for path in self._files.storage.list("matches/") if path.endswith("/verdict.json"))
        found = {}
        for path, verdict in self._files.read_all(paths).items():
            if isinstance(verdict.get("candidate"), str):
                found[verdict["candidate"]] = verdict
            else:
                self._files.damaged(path, CorruptError(f"{self._files.url}/{path} names no candidate"))
        return found
