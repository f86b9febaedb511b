#!/usr/bin/env bash
# Builds .recbole-venv: RecBole 1.2.1 in an environment of its own, for benchmarks/recbole_speed.py.
#
# RecBole 1.2.1 breaks on numpy 2 and with current releases of some of its dependencies, so it is
# installed without them and given what its training path imports. ray, plotly and hyperopt serve
# hyper-parameter search alone and stay out. A torch that would bring CUDA packages is refused:
# the comparison is on the CPU, and they weigh gigabytes.
set -euo pipefail

cd "$(dirname "$0")/.."
python="${PYTHON:-python3.11}"
venv=.recbole-venv
torch="${TORCH:-torch==2.13.0}"

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

plan="$(pip install --dry-run --quiet --ignore-installed --report - "$torch" "numpy<2" 2>/dev/null)"
if grep -q '"name": *"nvidia-' <<<"$plan"; then
    echo "recbole_env.sh: $torch would install CUDA packages here; point pip at a CPU build" \
        "(PIP_INDEX_URL, PIP_FIND_LINKS) or name one with TORCH=..." >&2
    exit 1
fi
pip install --quiet "$torch" "numpy<2" "scipy<1.14" "pandas<2.3" scikit-learn tqdm colorlog \
    colorama pyyaml tabulate texttable psutil tensorboard thop
pip install --quiet --no-deps recbole==1.2.1

"$venv/bin/python" - <<'PY'
import numpy
import recbole
import torch

print(f"recbole {recbole.__version__}, torch {torch.__version__}, numpy {numpy.__version__}")
PY
