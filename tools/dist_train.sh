#!/usr/bin/env bash
# Trains on several GPUs of one or more machines.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

usage() {
  cat <<'EOF'
Usage: bash tools/dist_train.sh CONFIG GPUS [flags of tools/train.py]

Example: bash tools/dist_train.sh configs/convnest/convnest-tiny_32xb128_in1k.py 8 --amp

Variables, for several machines (run it on each):
  NNODES       number of machines (default 1)
  NODE_RANK    number of this machine, from 0 (default 0)
  MASTER_ADDR  address of machine 0 (default 127.0.0.1)
  PORT         free port on machine 0 (default 29500; on a single machine, one that the system hands out)
  PYTHON       Python to run (default: the active environment's, else .venv's)
EOF
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
[[ "$2" =~ ^[1-9][0-9]*$ ]] || mmkd_die "GPUS expects a number from 1, got '$2'. Usage: dist_train.sh CONFIG GPUS."
config="$1" gpus="$2"
shift 2
mmkd_pick_python
export PYTHONPATH="$MMKD_ROOT${PYTHONPATH:+:$PYTHONPATH}"
mmkd_rendezvous
exec "$MMKD_PYTHON" -m mmkd.utils.processes.torchrun --nproc_per_node="$gpus" "${MMKD_RENDEZVOUS[@]}" \
  "$MMKD_ROOT/tools/train.py" "$config" --launcher pytorch "$@"
