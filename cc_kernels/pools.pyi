# SPDX-License-Identifier: Apache-2.0
# Nothing for Python: `pools.pxd` declares what other kernels use.
