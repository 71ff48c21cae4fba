#!/usr/bin/env bash
# Trains on a Slurm cluster.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

usage() {
  cat <<'EOF'
Usage: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [flags of tools/train.py]

Example: GPUS=16 bash tools/slurm_train.sh gpu convnest configs/convnest/convnest-tiny_32xb128_in1k.py --amp

Variables:
  GPUS           GPUs in all (default 8)
  GPUS_PER_NODE  GPUs a machine (default 8, or GPUS if that is less)
  CPUS_PER_TASK  CPU cores a GPU (default 5)
  SRUN_ARGS      more flags of srun, split at spaces
  PYTHON         Python to run (default: the active environment's, else .venv's)
EOF
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
[ $# -ge 3 ] || { usage >&2; exit 2; }
partition="$1" job_name="$2" config="$3"
shift 3
mmkd_pick_python
export PYTHONPATH="$MMKD_ROOT${PYTHONPATH:+:$PYTHONPATH}"
gpus="${GPUS:-8}"
[[ "$gpus" =~ ^[1-9][0-9]*$ ]] || mmkd_die "GPUS expects a number from 1, got '$gpus'."
per_node="${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}"
read -r -a srun_args <<< "${SRUN_ARGS:-}"
exec srun -p "$partition" --job-name="$job_name" --gres=gpu:"$per_node" --ntasks="$gpus" \
  --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
  ${srun_args[@]+"${srun_args[@]}"} \
  "$MMKD_PYTHON" -u "$MMKD_ROOT/tools/train.py" "$config" --launcher slurm "$@"
