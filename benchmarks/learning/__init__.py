# SPDX-License-Identifier: Apache-2.0
"""Learning experiments: named configurations, several seeds, equal budgets, the same matches for all, in one command.

    python -m benchmarks.learning plan|run|measure|report|redo --study=ablations --out=runs/learning

`study.py` says what is compared, `runs.py` lets the loops run, `ladder.py` measures their networks, `report.py` writes
tables and curves. Every verb does what is missing and can be interrupted.
"""
