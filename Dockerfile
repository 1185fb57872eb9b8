# SPDX-License-Identifier: Apache-2.0
# One image for every role; the command is the role:
#   docker build -t minigo .
#   mkdir -p runs
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/runs:/runs" minigo loop --preset=demo --run=/runs/demo
# Any user may run it: without --user it is 10001, who can not write to a folder of yours.
#
# BASE is any image with python3 (>= 3.11), its headers, venv and pip, on Debian or Ubuntu.
# REQUIREMENTS adds packages for what is in the machine:
#   processors   docker build --build-arg REQUIREMENTS="minigo[cpu]" -t minigo:cpu .
#   NVIDIA GPUs  docker build --build-arg REQUIREMENTS="jax[cuda12]" -t minigo:gpu .
#   TPUs         docker build --build-arg REQUIREMENTS="jax[tpu]" -t minigo:tpu .
ARG BASE=python:3.12-slim-bookworm

# Compilers are here alone.
FROM ${BASE} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python3 -m venv /tmp/build \
    && /tmp/build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir=/wheels .

FROM ${BASE}
ARG REQUIREMENTS=""
COPY --from=build /wheels /wheels
RUN python3 -m venv /opt/minigo \
    && /opt/minigo/bin/pip install --no-cache-dir --only-binary=:all: --find-links=/wheels /wheels/*.whl ${REQUIREMENTS} \
    && useradd --uid 10001 --create-home minigo \
    && mkdir /runs \
    && chown minigo /runs
# The root file system may be mounted read-only: what programs write by themselves goes to /tmp. GKE mounts the driver of
# an NVIDIA GPU where no loader looks by itself.
ENV PATH=/opt/minigo/bin:$PATH \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /runs
ENTRYPOINT ["minigo"]
CMD ["--help"]
