#!/usr/bin/env bash
# Make the weights that Kizu ships again, from nothing but formulas.
#
#   bash bench/pretrain_default.sh [MINUTES] [RUN] [WEIGHTS] [SEED]
#
# On a GPU 20 minutes are enough, with one process a core to draw pictures. On two cores a step takes few pictures, for
# many steps teach more than many pictures a step. The shipped weights were made so, in two runs:
#
#   bash bench/pretrain_default.sh 45 build/first
#   bash bench/pretrain_default.sh 85 build/second build/first/weights.safetensors 2
#
# It goes on with RUN where that was begun. WEIGHTS is what the backbone begins with: a second run builds on the first.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-20}
run=${2:-build/kizu-s}
begin=(${3:+--weights "$3"})
seed=${4:-1} # another one for another run: other pictures
cores=$(nproc)
if [ "$cores" -le 2 ]; then
    export OMP_NUM_THREADS=1 # the other core draws pictures
    batch=8 lr=0.0015 workers=1
else
    batch=64 lr=0.003 workers=$((cores - 1))
fi
uv run --extra train kizu pretrain masks --preset lines --set scene.pictures=2 --side 160 --batch "$batch" --lr "$lr" \
    --precision bfloat16 --workers "$workers" --seed "$seed" --minutes "$minutes" --out "$run" --resume "${begin[@]}"
uv run --extra train python bench/ship.py "$run" kizu-s
