# SPDX-License-Identifier: Apache-2.0
# Nothing for Python: `ladders.pxd` declares what other kernels use.
