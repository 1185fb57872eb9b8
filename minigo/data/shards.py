# SPDX-License-Identifier: Apache-2.0
"""Shards: finished games as one Parquet file, a row a game, with where they come from in the header.

Any Parquet reader opens a shard; docs/formats.md says what the columns mean. What `read_shard` returns has
been replayed by the rules. Where shards lie is `minigo.run`'s business.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minigo.go.record import GameRecord, RecordError
from minigo.run import shard_stem

FORMAT_VERSION: Final = 1
RANDOM_PLAYOUTS: Final = "random"  # the "network" of shards whose games are uniform random playouts
MAX_UNCOMPRESSED_BYTES: Final = 2**30  # refused before anything is unpacked
_HEADER_KEY: Final = b"minigo"
_HEADER_HASH_KEY: Final = b"minigo_sha256"  # Parquet's checksums cover the columns, this one the header
_ARRAYS: Final[dict[str, Any]] = {
    "moves": pa.int16(),
    "target_plies": pa.int16(),
    "policy_targets": pa.uint16(),  # [K x A] flattened: A values for each target ply
    "root_values": pa.float32(),
    "root_scores": pa.float32(),
    "simulations": pa.int32(),
}
_SCALARS: Final[dict[type, Any]] = {str: pa.string(), int: pa.int64(), float: pa.float64()}


class ShardError(ValueError):
    """The bytes are no shard that this program can trust. The message says why."""


@dataclass(frozen=True)
class ShardHeader:
    """Where a shard's games come from: all that is needed to play them again."""

    network: str
    network_sha256: str
    config_sha256: str
    seed: int
    worker: str
    sequence: int
    rules: str
    board_size: int
    backend: str  # what computed the network's evaluations, and the next two: how they were rounded
    precision: str
    batch_rows: int  # positions evaluated in one call
    minigo_version: str
    format_version: int = FORMAT_VERSION


def write_shard(header: ShardHeader, records: Sequence[GameRecord]) -> bytes:
    """The shard's bytes; the same games give the same bytes under the same version of pyarrow."""
    columns = [[_stored(getattr(record, field.name)) for record in records] for field in _SCHEMA]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
    text = json.dumps(dataclasses.asdict(header), sort_keys=True).encode()
    metadata = {_HEADER_KEY: text, _HEADER_HASH_KEY: hashlib.sha256(text).hexdigest().encode()}
    sink = pa.BufferOutputStream()
    table = pa.table(arrays, schema=_SCHEMA.with_metadata(metadata))
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def read_shard(data: bytes) -> tuple[ShardHeader, list[GameRecord]]:
    """The header and the games, every one of which has been replayed.

    Raises:
        ShardError: the bytes are torn, foreign or of another version, or a game breaks the rules or
            contradicts itself.
    """
    try:
        header, table = _read_table(data)
        records = _records(table)
        _check(header, records)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise ShardError(reason if isinstance(error, ShardError | RecordError) else f"torn: {reason}") from error
    return header, records


def _schema() -> Any:
    scalars = {spec.name: _SCALARS[spec.type] for spec in dataclasses.fields(GameRecord) if spec.type in _SCALARS}
    lists = {name: pa.list_(kind) for name, kind in _ARRAYS.items()}
    fields = {**scalars, **lists}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields.items()])


_SCHEMA: Final = _schema()


def _stored(value: Any) -> Any:
    return value.ravel() if isinstance(value, np.ndarray) else value


def _read_table(data: bytes) -> tuple[ShardHeader, Any]:
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    metadata = file.schema_arrow.metadata
    if metadata is None or _HEADER_KEY not in metadata:
        raise ShardError("foreign: the file has no shard header")
    if hashlib.sha256(metadata[_HEADER_KEY]).hexdigest().encode() != metadata[_HEADER_HASH_KEY]:
        raise ShardError("torn: the header is not the one that was written")
    header = _header(json.loads(metadata[_HEADER_KEY]))
    if not file.schema_arrow.equals(_SCHEMA):
        raise ShardError("foreign: the columns are not those of a shard")
    if file.metadata.num_rows == 0:
        raise ShardError("a shard must hold a game or more, got none")
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    if size > MAX_UNCOMPRESSED_BYTES:
        raise ShardError(f"a shard must have {MAX_UNCOMPRESSED_BYTES} bytes or less unpacked, got {size}")
    return header, file.read().combine_chunks()


def _header(document: Any) -> ShardHeader:
    if not isinstance(document, dict):
        raise ShardError(f"foreign: the header must be a table of fields, got {document!r}")
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise ShardError(f"a shard must have format version {FORMAT_VERSION}, got {version}")
    names = {spec.name for spec in dataclasses.fields(ShardHeader)}
    if document.keys() != names:
        raise ShardError(f"foreign: the header must have {', '.join(sorted(names))}, got {', '.join(sorted(document))}")
    header = ShardHeader(**document)
    for spec in dataclasses.fields(header):
        if type(getattr(header, spec.name)) is not spec.type:
            raise ShardError(f"header's {spec.name} must be {spec.type}, got {getattr(header, spec.name)!r}")
    return header


def _records(table: Any) -> list[GameRecord]:
    columns: dict[str, list[Any]] = {}
    for field in _SCHEMA:
        column = table.column(field.name).combine_chunks()
        if column.null_count:
            raise ShardError(f"column {field.name} must have no nulls, got {column.null_count}")
        columns[field.name] = _split(column) if field.name in _ARRAYS else column.to_pylist()
    columns["policy_targets"] = [
        policy.reshape(len(plies), size**2 + 1)
        for policy, plies, size in zip(
            columns["policy_targets"], columns["target_plies"], columns["board_size"], strict=True
        )
    ]
    rows = zip(*columns.values(), strict=True)
    return [GameRecord(**dict(zip(columns, row, strict=True))) for row in rows]


def _split(column: Any) -> list[NDArray[Any]]:
    """One view for each row of a list column."""
    values = column.values
    if values.null_count:
        raise ShardError(f"lists must have no nulls, got {values.null_count}")
    return np.split(values.to_numpy(), column.offsets.to_numpy()[1:-1])


def _check(header: ShardHeader, records: list[GameRecord]) -> None:
    if len({record.game_id for record in records}) != len(records):
        raise ShardError("two games of the shard have the same id")
    for record in records:
        mine, theirs = (record.board_size, record.rules), (header.board_size, header.rules)
        if mine != theirs:
            raise ShardError(f"game {record.game_id} must have board size and rules {theirs}, got {mine}")
        record.check()


def shard_age(path: str) -> tuple[bool, str]:
    """Sorts paths of shards from old to new: those of random play before those of networks, which have numbers."""
    stem = shard_stem(path)
    return not stem.startswith(RANDOM_PLAYOUTS), stem
