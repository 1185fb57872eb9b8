# SPDX-License-Identifier: Apache-2.0
"""Go engines at the end of a pipe: `external` drives other people's, `gtp` is ours for them to drive."""
