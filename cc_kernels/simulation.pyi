# SPDX-License-Identifier: Apache-2.0
# Nothing for Python: `simulation.pxd` declares what other kernels use.
