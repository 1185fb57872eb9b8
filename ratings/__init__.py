# SPDX-License-Identifier: Apache-2.0
"""How strong each network is: ratings from the games of a run. Start at `ratings.elo`."""
