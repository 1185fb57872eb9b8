# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from minigo import doctor
from minigo.doctor import Finding

FOUND = Finding("kernels", True, "played a game", "build them", required=True)
SLOW = Finding("gnugo", False, "not found", "apt-get install gnugo")
BROKEN = Finding("network, float32", False, "ImportError", "pip install tensorflow", required=True)


def test_what_is_only_nice_to_have_may_be_missing():
    assert doctor.works([FOUND, SLOW])
    assert not doctor.works([FOUND, SLOW, BROKEN])


def test_the_table_says_what_to_do_about_what_is_missing_and_nothing_about_the_rest():
    table = doctor.to_table([FOUND, SLOW, BROKEN])

    assert "apt-get install gnugo" in table
    assert "pip install tensorflow" in table
    assert "build them" not in table
    assert "MISSING" in table
    assert "Everything needed works." not in table


def test_the_verdict_is_good_when_all_that_is_needed_works():
    assert "Everything needed works." in doctor.to_table([FOUND, SLOW])


def test_the_json_holds_every_finding_by_name():
    report = doctor.to_dict([FOUND, SLOW])

    assert report["ok"]
    assert report["findings"]["gnugo"] == {
        "ok": False,
        "required": False,
        "detail": "not found",
        "remedy": "apt-get install gnugo",
    }


def test_kernels_that_are_not_built_are_required_and_have_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cc_kernels.board", None)

    (finding,) = doctor._kernels()

    assert not finding.ok
    assert finding.required
    assert "pip install" in finding.remedy


def test_a_broken_network_library_is_a_finding_not_a_crash(monkeypatch):
    monkeypatch.setitem(sys.modules, "minigo.inference.tensorflow", None)

    findings = doctor._network()

    assert [finding.ok for finding in findings] == [False, False]
    assert "can not be loaded" in findings[0].detail


def test_an_optional_back_end_that_is_missing_is_no_failure_and_names_its_extra(monkeypatch):
    monkeypatch.setattr(doctor, "EXTRAS", {"no-such-library": "cpu"})

    (finding,) = doctor._optional_backends()

    assert not finding.ok
    assert not finding.required
    assert "minigo[cpu]" in finding.remedy


def test_openvino_is_tried_in_each_precision_of_its_own(monkeypatch):
    monkeypatch.setattr(doctor, "EXTRAS", {"openvino": "cpu"})

    findings = doctor._optional_backends()

    assert [(finding.name, finding.ok) for finding in findings[1:]] == [
        ("openvino, bfloat16", True),
        ("openvino, int8", True),
    ]


@pytest.mark.slow  # `minigo doctor`, which test_cli.py runs, does it, too
def test_jax_is_tried_in_a_process_of_its_own():
    finding = doctor._tried_elsewhere("jax, float32", "jax", "install it")

    assert finding.ok, finding.detail
    assert finding.detail == "evaluated a position"


def test_a_back_end_that_fails_elsewhere_is_a_finding_with_its_reason():
    finding = doctor._tried_elsewhere("none", "no-such-backend", "install it")

    assert not finding.ok
    assert "no-such-backend" in finding.detail


@pytest.mark.parametrize(
    ("working", "recommended"),
    [
        ([], "--machine.backend=tensorflow; faster with OpenVINO: pip install 'minigo[cpu]'"),
        (["openvino, bfloat16"], "--machine.backend=auto"),
        (["accelerator", "openvino, bfloat16"], "--machine.backend=tensorflow; faster with JAX"),
        (["accelerator", "jax, float32"], "--machine.backend=jax"),
    ],
)
def test_the_recommended_back_end_is_one_that_works(working, recommended):
    findings = [Finding(name, name in working, "") for name in ("openvino, bfloat16", "jax, float32", "accelerator")]

    assert doctor.recommendation(findings).detail.startswith(recommended)
