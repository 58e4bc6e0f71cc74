#!/usr/bin/env bash
# Make the weights that Kizu ships again, from nothing but formulas.
#
#   bash bench/pretrain_default.sh [MINUTES] [RUN]
#
# The same command serves a GPU (20 minutes, one process a core draws pictures) and a CPU (two cores: 72 minutes).
# It goes on with RUN where that was begun.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-20}
run=${2:-build/kizu-s}
cores=$(nproc)
if [ "$cores" -le 2 ]; then
    export OMP_NUM_THREADS=1 # the other core draws pictures
fi
uv run --extra train kizu pretrain masks --preset lines --objective episodes --side 160 --batch 56 --lr 0.002 \
    --precision bfloat16 --workers $((cores > 2 ? cores - 1 : 1)) --seed 1 --minutes "$minutes" --out "$run" --resume
uv run --extra train python bench/ship.py "$run" kizu-s
