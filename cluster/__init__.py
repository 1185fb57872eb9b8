# SPDX-License-Identifier: Apache-2.0
"""A run on Kubernetes: the manifests, what deploys them, and what plays gate matches as Indexed Jobs.

The roles themselves are `minigo`'s commands and know nothing of Kubernetes. Start at cluster/README.md.
"""
