# SPDX-License-Identifier: Apache-2.0
import dataclasses
import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minigo.data import shards
from minigo.data.shards import ShardError, read_shard, write_shard
from tests.support.records import header, random_record, record_of

RECORDS = [random_record(seed) for seed in range(4)]


def rewritten(data, change, metadata=None):
    """The shard with its table changed, and its metadata if given; Parquet's checksums fit again."""
    table = pq.read_table(pa.BufferReader(data))
    kept = table.schema.metadata if metadata is None else metadata
    sink = pa.BufferOutputStream()
    pq.write_table(change(table).replace_schema_metadata(kept), sink, write_page_checksum=True)
    return bytes(sink.getvalue())


def with_header(data, **changes):
    """The shard with other fields in its header."""
    stored = json.loads(pq.read_metadata(pa.BufferReader(data)).metadata[b"minigo"])
    text = json.dumps({**stored, **changes}).encode()
    metadata = {b"minigo": text, b"minigo_sha256": hashlib.sha256(text).hexdigest().encode()}
    return rewritten(data, lambda table: table, metadata)


def test_header_and_games_survive_the_round_trip():
    head, records = read_shard(write_shard(header(), RECORDS))

    assert head == header()
    assert records == RECORDS


@pytest.mark.parametrize("board_size", [2, 9, 19])
def test_games_of_every_board_size_survive(board_size):
    records = [random_record(seed, board_size) for seed in range(2)]

    assert read_shard(write_shard(header(board_size), records))[1] == records


def test_a_game_without_moves_or_targets_survives():
    records = [random_record(1, 3), record_of("", end="move_limit"), record_of("B2 pass pass", game_id="other")]

    assert read_shard(write_shard(header(3), records))[1] == records


def test_the_same_games_are_the_same_bytes():
    again = [random_record(seed) for seed in range(4)]

    assert write_shard(header(), RECORDS) == write_shard(header(), again)
    assert write_shard(header(), RECORDS) != write_shard(header(sequence=1), RECORDS)


def test_any_parquet_reader_sees_one_row_a_game():
    table = pq.read_table(pa.BufferReader(write_shard(header(), RECORDS)))

    assert table.num_rows == 4
    assert table.column("moves").to_pylist()[2] == RECORDS[2].moves.tolist()
    assert table.column("score_for_black").to_pylist() == [record.score_for_black for record in RECORDS]
    targets = np.array(table.column("policy_targets").to_pylist()[2]).reshape(-1, 26)
    assert (targets == RECORDS[2].policy_targets).all()


def test_a_shard_of_another_version_is_refused():
    with pytest.raises(ShardError, match="a shard must have format version 1, got 2"):
        read_shard(with_header(write_shard(header(), RECORDS), format_version=2))


@pytest.mark.parametrize("changes", [{"seed": "seven"}, {"worker": None}, {"unknown": 1}])
def test_a_header_with_wrong_fields_is_refused(changes):
    with pytest.raises(ShardError, match=r"header's|header must have"):
        read_shard(with_header(write_shard(header(), RECORDS), **changes))


def test_a_changed_header_is_refused():
    data = write_shard(header(), RECORDS)
    metadata = dict(pq.read_table(pa.BufferReader(data)).schema.metadata)
    metadata[b"minigo"] = metadata[b"minigo"].replace(b'"seed": 7', b'"seed": 8')

    with pytest.raises(ShardError, match="torn: the header is not the one that was written"):
        read_shard(rewritten(data, lambda table: table, metadata))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"hello", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(data):
    with pytest.raises(ShardError, match=r"^torn: "):
        read_shard(data)


def test_a_parquet_file_of_something_else_is_refused():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"moves": [1, 2]}), sink)

    with pytest.raises(ShardError, match="foreign: the file has no shard header"):
        read_shard(bytes(sink.getvalue()))


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["moves"]),
        lambda table: table.append_column("more", pa.array([1] * 4)),
        lambda table: table.set_column(0, "game_id", pa.array([1] * 4)),
        lambda table: table.rename_columns(["id", *table.column_names[1:]]),
    ],
)
def test_other_columns_are_refused(change):
    with pytest.raises(ShardError, match="foreign: the columns are not those of a shard"):
        read_shard(rewritten(write_shard(header(), RECORDS), change))


def test_a_shard_without_games_is_refused():
    with pytest.raises(ShardError, match="must hold a game or more"):
        read_shard(write_shard(header(), []))


def test_two_games_of_one_id_are_refused():
    with pytest.raises(ShardError, match="two games of the shard have the same id"):
        read_shard(write_shard(header(), [RECORDS[0], RECORDS[0]]))


def test_games_of_another_board_or_rules_than_the_header_says_are_refused():
    with pytest.raises(ShardError, match=r"game random-0 must have board size and rules \(9, 'cgos'\)"):
        read_shard(write_shard(header(9), RECORDS))
    with pytest.raises(ShardError, match=r"game random-0 must have board size and rules \(5, 'aga'\)"):
        read_shard(write_shard(header(rules="aga"), RECORDS))


def test_one_wrong_game_refuses_the_shard_by_its_name_and_ply():
    moves = RECORDS[2].moves.copy()
    moves[3] = moves[0]
    records = [*RECORDS[:2], dataclasses.replace(RECORDS[2], moves=moves)]

    with pytest.raises(ShardError, match=r"^game random-2: ply 3: .* is illegal"):
        read_shard(write_shard(header(), records))


def test_a_wrong_result_refuses_the_shard():
    records = [dataclasses.replace(RECORDS[0], score_for_black=-RECORDS[0].score_for_black)]

    with pytest.raises(ShardError, match="game random-0: score for black must be"):
        read_shard(write_shard(header(), records))


def test_policy_targets_of_the_wrong_length_refuse_the_shard():
    records = [dataclasses.replace(RECORDS[0], policy_targets=RECORDS[0].policy_targets[:, :-1])]

    with pytest.raises(ShardError, match="torn: cannot reshape"):
        read_shard(write_shard(header(), records))


def test_a_shard_that_would_unpack_to_too_much_is_refused(monkeypatch):
    data = write_shard(header(), RECORDS)
    monkeypatch.setattr(shards, "MAX_UNCOMPRESSED_BYTES", 1000)

    with pytest.raises(ShardError, match=r"a shard must have 1000 bytes or less unpacked, got \d+"):
        read_shard(data)


@pytest.mark.parametrize("tries", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_a_torn_shard_is_refused_and_a_flipped_bit_changes_no_game(tries):
    data = write_shard(header(), RECORDS)
    rng = np.random.default_rng(1)
    for _ in range(tries):
        with pytest.raises(ShardError):
            read_shard(data[: rng.integers(len(data))])
        flipped = bytearray(data)
        flipped[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        try:
            head, records = read_shard(bytes(flipped))
        except ShardError:
            continue
        assert (head, records) == (header(), RECORDS)  # the bit was in what nobody reads


def test_shards_of_random_play_are_the_oldest():
    names = ("random-a-000009", "random-b-000001", "000001-a-000010", "000002-a-000003")
    paths = [f"holdout/2024010100/{name}.parquet" for name in names]

    assert sorted([paths[2], paths[3], paths[1], paths[0]], key=shards.shard_age) == paths
