# SPDX-License-Identifier: Apache-2.0
"""Learning experiments: named configurations, several seeds, equal budgets, one ladder, results that anyone can redo.

    python -m benchmarks.learning plan|run|measure|report --study=ablations --out=runs/learning

`study.py` says what is compared, `runs.py` lets the loops run, `ladder.py` measures their networks, `report.py` writes
tables and curves. Every verb does what is missing and can be interrupted.
"""
