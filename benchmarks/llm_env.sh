#!/usr/bin/env bash
# Builds .llm-venv: llama-cpp-python with its server, for `make test-llm` (tests/llm).
#
# It is compiled from source (about ten CPU minutes; a C++ compiler is needed), so it has an
# environment of its own, outside Audition's.
# CMAKE_BUILD_PARALLEL_LEVEL says how many compilers run at a time.
set -euo pipefail

cd "$(dirname "$0")/.."
python="${PYTHON:-python3.11}"
venv=.llm-venv
llama="llama-cpp-python[server]==0.3.36"
check='import llama_cpp, llama_cpp.server; print("llama-cpp-python", llama_cpp.__version__)'

"$venv/bin/python" -c "$check" 2>/dev/null && exit 0

export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-1}"
# The image parts of llama.cpp, its tests and its own tools serve nothing here.
export CMAKE_ARGS="${CMAKE_ARGS:--DLLAVA_BUILD=OFF -DGGML_NATIVE=ON -DLLAMA_CURL=OFF}"

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
nice -n 10 "$venv/bin/python" -m pip --disable-pip-version-check install --quiet "$llama"
"$venv/bin/python" -c "$check"
