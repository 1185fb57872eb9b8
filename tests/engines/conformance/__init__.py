# SPDX-License-Identifier: Apache-2.0
"""A conformance kit for GTP engines: requests with the replies they must get, and clients as they really behave.

* `standard.txt`: what every engine does that keeps to the specification; GNU Go passes it, too.
* `extensions.txt`: what ours does beyond that.
* `profiles.py`: conversations as Sabaki, Lizzie, LizGoban, q5Go, gtp2ogs, KGS and CGOS hold them.
* `kit.py` reads the one and drives the other: it talks with a process over pipes and takes nothing that is no GTP.
"""
