# SPDX-License-Identifier: Apache-2.0
from minigo.inference.processor import cpu_model


def test_the_processors_name_and_features_are_read(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nmodel name : Chip 9000\nflags : fpu avx2 avx512f\n\nprocessor : 1\nflags : none\n")

    assert cpu_model(file) == ("Chip 9000", {"fpu", "avx2", "avx512f"})


def test_a_machine_without_cpuinfo_has_a_name_still(tmp_path):
    name, features = cpu_model(tmp_path / "missing")

    assert name
    assert features == set()
