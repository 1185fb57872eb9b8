# SPDX-License-Identifier: Apache-2.0
"""Tests of the engines: the client for other people's, and ours."""
