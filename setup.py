# SPDX-License-Identifier: Apache-2.0
"""Compiles the kernels. Everything declarative is in pyproject.toml.

MINIGO_DEBUG_KERNELS=1 builds them with bounds checks, for the kernel tests.
"""

import os

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("MINIGO_DEBUG_KERNELS") == "1"
KERNELS = (
    "board",
    "scoring",
    "ladders",
    "features",
    "cache",
    "playouts",
    "replay",
    "simulation",
    "pools",
    "tree",
    "readout",
)

extensions = [
    Extension(
        f"cc_kernels.{name}",
        [f"cc_kernels/{name}.pyx"],
        include_dirs=[np.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=["-O1", "-g"] if DEBUG else ["-O3"],
    )
    for name in KERNELS
]

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
            "auto_pickle": False,
            "autotestdict": False,
            "embedsignature": False,
        },
    )
)
