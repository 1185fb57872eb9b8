# SPDX-License-Identifier: Apache-2.0
"""A game in the browser against any network of a run.

From the inside out: `game` is a game as a value; `networks` and `engines` are what thinks, bounded in number and in
idleness; `workers` lets it think, one game at a time in each thread; `session` is one game as it is kept and seen,
`limits` how much all of it may cost; `sessions` is all of it without any web, and the place to start. `guard`, `pages`,
`models` and `router` put it on the web. No framework of learning is imported here: networks compute in processes of
their own, which whoever composes the dashboard knows how to start.
"""
