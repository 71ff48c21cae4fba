#!/usr/bin/env bash
# Makes the environment ready and runs tools/quickstart.py in it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

usage() {
  cat <<'EOF'
Usage: bash tools/quickstart.sh [flags of tools/quickstart.py]

Creates .venv from requirements/onedl.lock the first time (2 to 5 minutes) and runs tools/quickstart.py in it.

Variables:
  MMKD_VENV    environment to use or create. One of yours that has PyTorch and OpenMMLab is used as it is.
  MMKD_STACK   onedl (default) or openmmlab: which distribution of OpenMMLab a new environment gets.
  PYTHON       Python 3.10, 3.11 or 3.12 to create the environment with.
EOF
}

stack="${MMKD_STACK:-onedl}"
for argument in "$@"; do
  case "$argument" in
    -h | --help)
      usage
      MMKD_PYTHON="$(mmkd_venv_of "$stack")/bin/python"
      [ ! -x "$MMKD_PYTHON" ] || { echo; "$MMKD_PYTHON" "$MMKD_ROOT/tools/quickstart.py" --help; }
      exit 0
      ;;
  esac
done
mmkd_prepare_env "$stack"
exec "$MMKD_PYTHON" "$MMKD_ROOT/tools/quickstart.py" "$@"
