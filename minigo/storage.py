# SPDX-License-Identifier: Apache-2.0
"""Six operations on named objects, with one meaning on a folder and in a Google Cloud Storage bucket.

An object appears whole or not at all, every write states what it expects to find, and an error of the disk or
the network is a `StorageError` that names the object. Start at `Storage`; `storage_at` chooses one.
"""

import contextlib
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

Version = str  # opaque: what `swap` compares

TEMPORARY_FOLDER: Final = ".tmp"  # hidden names are never listed
STALE_SECONDS: Final = 86_400.0  # a temporary file this old was left by a killed process
RETRY_SECONDS: Final = 5.0  # a request to a bucket is repeated for so long; `minigo.patience` waits longer
REQUEST_SECONDS: Final = 60.0  # without a byte of a reply, a request has failed


class StorageError(Exception):
    """Storage refused or failed. The message names the object and the reason."""


class AlreadyExists(StorageError):  # noqa: N818 (the protocol's word)
    """`create` found other bytes under this path."""


class Conflict(StorageError):  # noqa: N818
    """`swap` found that the object had moved on from the expected version."""


class NotFound(StorageError):  # noqa: N818
    """There is no object at this path."""


class Unavailable(StorageError):  # noqa: N818
    """Storage is out of reach, or asked too much of: the same again may succeed later."""


class Storage(Protocol):
    """Objects under slash-separated paths.

    A retried write can not tell its own earlier success from another writer's, so a write that finds exactly
    its own bytes in place succeeds. Who must know that nobody else won puts something unique into the bytes.
    """

    url: str

    def read(self, path: str) -> tuple[bytes, Version]:
        """The object's bytes and version. Raises NotFound."""
        ...

    def open(self, path: str) -> BinaryIO:
        """The object as a stream to read. Raises NotFound."""
        ...

    def create(self, path: str, data: bytes) -> Version:
        """Writes a new object. Raises AlreadyExists where another one is."""
        ...

    def swap(self, path: str, data: bytes, *, expected: Version) -> Version:
        """Replaces the object if it is still the expected version. Raises Conflict where it is not."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """All paths that begin with the prefix, sorted as strings."""
        ...

    def delete(self, path: str) -> None:
        """Removes the object; none is fine."""
        ...


def storage_at(url: str) -> Storage:
    """The storage at a folder's path or at gs://bucket/prefix.

    Raises:
        StorageError: the URL is of another kind, or names no bucket.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return LocalStorage(url)
    bucket, _, prefix = rest.partition("/")
    if scheme != "gs" or not bucket:
        raise StorageError(f"storage must be a folder or gs://bucket/prefix, got {url!r}")
    return GcsStorage(bucket, prefix)


class LocalStorage:
    """Objects are files below a folder, which is made at the first write.

    `create` is a temporary file, fsync and link(2); `swap` compares under a lock and renames. A process that
    is killed leaves whole objects and at most a temporary file, which a later one sweeps up.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.url = str(root)
        self._temporary = self.root / TEMPORARY_FOLDER

    def read(self, path: str) -> tuple[bytes, Version]:
        """See `Storage.read`."""
        with self.open(path) as stream, self._errors("read", path):
            data = stream.read()
        return data, _content_version(data)

    def open(self, path: str) -> BinaryIO:
        """See `Storage.open`."""
        with self._errors("read", path):
            return self._file(path).open("rb")

    def create(self, path: str, data: bytes) -> Version:
        """See `Storage.create`."""
        file = self._file(path)
        with self._staged(path, data) as staged:
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(staged, file)
            except FileExistsError:
                if self.read(path)[0] != data:
                    raise AlreadyExists(f"{self.url}/{path} exists with other content") from None
            _sync_folder(file.parent)
        return _content_version(data)

    def swap(self, path: str, data: bytes, *, expected: Version) -> Version:
        """See `Storage.swap`."""
        file = self._file(path)
        with self._staged(path, data) as staged, self._lock():
            current = self._version(path)
            if current not in (expected, _content_version(data)):
                raise Conflict(f"{self.url}/{path} has moved on from version {expected:.12}")
            staged.replace(file)
            _sync_folder(file.parent)
        return _content_version(data)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Storage.list`."""
        folder, _, start = prefix.rpartition("/")
        with self._errors("list", prefix):
            yield from self._walk(folder, start)

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        with contextlib.suppress(NotFound), self._errors("delete", path):
            self._file(path).unlink()

    def _file(self, path: str) -> Path:
        return self.root / _checked(path)

    def _walk(self, folder: str, start: str = "") -> Iterator[str]:
        # A folder sorts as its name with a slash, so that the order is that of whole paths: "a-b", "a/b".
        try:
            with os.scandir(self.root / folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return
        names = sorted(entry.name + "/" * entry.is_dir() for entry in visible if entry.name.startswith(start))
        for name in names:
            path = f"{folder}/{name}" if folder else name
            if name.endswith("/"):
                yield from self._walk(path[:-1])
            else:
                yield path

    def _version(self, path: str) -> Version | None:
        try:
            return self.read(path)[1]
        except NotFound:
            return None

    @contextlib.contextmanager
    def _staged(self, path: str, data: bytes) -> Iterator[Path]:
        """A temporary file that holds the data safely on disk; what is left of it goes with the block."""
        staged = self._temporary / uuid.uuid4().hex
        with self._errors("write", path):
            self._make_temporary_folder()
            try:
                with staged.open("wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                yield staged
            finally:
                with contextlib.suppress(OSError):
                    staged.unlink()

    def _make_temporary_folder(self) -> None:
        self._temporary.mkdir(parents=True, exist_ok=True)
        for file in self._temporary.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process sweeps or finishes
                if time.time() - file.stat().st_mtime > STALE_SECONDS:
                    file.unlink()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        descriptor = os.open(self._temporary, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _errors(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if verb != "write" and isinstance(error, FileNotFoundError | NotADirectoryError):
                raise NotFound(f"{self.url}/{path} does not exist") from None
            raise StorageError(f"cannot {verb} {self.url}/{path}: {error.strerror}") from error


def _checked(path: str) -> str:
    if any(part == "" or part.startswith(".") for part in path.split("/")):
        raise ValueError(f"a storage path must have no empty or hidden part, got {path!r}")
    return path


def _content_version(data: bytes) -> Version:
    return hashlib.sha256(data).hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class GcsStorage:
    """Objects in a Google Cloud Storage bucket, below a prefix; a version is the object's generation.

    Credentials are the environment's. With STORAGE_EMULATOR_HOST set, that server is used without any.
    """

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.url = f"gs://{bucket}/{self._prefix}".rstrip("/")
        with self._errors("open", ""):
            self._bucket = _gcs_client().bucket(bucket)

    def read(self, path: str) -> tuple[bytes, Version]:
        """See `Storage.read`."""
        blob = self._blob(path)
        with self._errors("read", path):
            data = blob.download_as_bytes(checksum="crc32c", **_patience())  # the generation comes with it
        return data, str(blob.generation)

    def open(self, path: str) -> BinaryIO:
        """See `Storage.open`."""
        blob = self._blob(path)
        with self._errors("read", path):
            blob.reload(**_patience())
            return cast(BinaryIO, blob.open("rb", **_patience()))

    def create(self, path: str, data: bytes) -> Version:
        """See `Storage.create`."""
        version = self._write(path, data, generation=0)
        if version is None:
            raise AlreadyExists(f"{self.url}/{path} exists with other content")
        return version

    def swap(self, path: str, data: bytes, *, expected: Version) -> Version:
        """See `Storage.swap`."""
        version = self._write(path, data, generation=int(expected))
        if version is None:
            raise Conflict(f"{self.url}/{path} has moved on from version {expected}")
        return version

    def list(self, prefix: str) -> Iterator[str]:
        """See `Storage.list`."""
        with self._errors("list", prefix):
            fields = "items(name),nextPageToken"
            blobs = self._bucket.list_blobs(prefix=self._prefix + prefix, fields=fields, **_patience())
            for blob in blobs:
                yield blob.name.removeprefix(self._prefix)

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        with contextlib.suppress(NotFound), self._errors("delete", path):
            self._blob(path).delete(**_patience())

    def _blob(self, path: str) -> Any:
        return self._bucket.blob(self._prefix + _checked(path))

    def _write(self, path: str, data: bytes, generation: int) -> Version | None:
        """The new version, or None where the object is of another generation and holds other bytes."""
        from google.api_core.exceptions import Forbidden, PreconditionFailed

        blob = self._blob(path)
        try:
            with self._errors("write", path):
                blob.upload_from_string(data, if_generation_match=generation, checksum="crc32c", **_patience())
        except StorageError as error:
            # The client retries after a lost reply, and then its own first attempt fails the precondition; or it is
            # forbidden, where who asks may create objects and replace none.
            cause = error.__cause__
            is_forbidden = generation == 0 and isinstance(cause, Forbidden)
            if not (is_forbidden or isinstance(cause, PreconditionFailed)):
                raise
            stored = self._stored(path)
            if is_forbidden and stored is None:
                raise
            return stored[1] if stored is not None and stored[0] == data else None
        return str(blob.generation)

    def _stored(self, path: str) -> tuple[bytes, Version] | None:
        try:
            return self.read(path)
        except NotFound:
            return None

    @contextlib.contextmanager
    def _errors(self, verb: str, path: str) -> Iterator[None]:
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption

        try:
            yield
        except (exceptions.GoogleAPIError, GoogleAuthError, DataCorruption, OSError) as error:
            is_missing = isinstance(error, exceptions.NotFound) and "bucket does not exist" not in str(error)
            if verb != "write" and is_missing:
                raise NotFound(f"{self.url}/{path} does not exist") from None
            reason, what = " ".join(str(error).split()), f"cannot {verb} {self.url}/{path}"
            if _passes(error):
                raise Unavailable(f"{what}: {reason}") from error
            raise StorageError(f"{what}: {reason}{_advice(error, self.url.split('/')[2])}") from error


def _gcs_client() -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    anonymous: Any = AnonymousCredentials
    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return storage.Client(project="emulator", credentials=anonymous())
    return storage.Client()


def _patience() -> dict[str, Any]:
    """How the client repeats a request that failed and may not fail again: soon, with jitter, and not for long.

    Every write has a precondition, so that repeating it is safe whatever became of the first one.
    """
    from google.cloud.storage.retry import DEFAULT_RETRY

    return {"retry": DEFAULT_RETRY.with_delay(0.2, 2.0, 2.0).with_timeout(RETRY_SECONDS), "timeout": REQUEST_SECONDS}


def _passes(error: Exception) -> bool:
    """Whether an error is of the kind that passes by itself."""
    from google.api_core import exceptions
    from google.auth.exceptions import RefreshError, TransportError
    from google.cloud.storage.exceptions import DataCorruption

    passing = (exceptions.ServerError, exceptions.TooManyRequests, exceptions.RetryError, TransportError, OSError)
    if isinstance(error, RefreshError):  # no answer from the metadata server is not the same as a refusal
        return isinstance(error.__cause__, passing)
    return isinstance(error, (*passing, DataCorruption))


def _advice(error: Exception, bucket: str) -> str:
    """What a person can do about an error that does not pass."""
    from google.api_core import exceptions
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    if isinstance(error, DefaultCredentialsError | RefreshError | exceptions.Unauthorized):
        return "; credentials are missing or have expired: gcloud auth application-default login"
    if isinstance(error, exceptions.Forbidden):
        return f"; ask for the role roles/storage.objectUser on gs://{bucket}"
    if isinstance(error, exceptions.NotFound):
        return f"; is there a bucket gs://{bucket}? gcloud storage buckets create gs://{bucket}"
    return ""
