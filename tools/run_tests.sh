#!/usr/bin/env bash
# Makes the environment ready and runs the tests in it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

usage() {
  cat <<'EOF'
Usage: bash tools/run_tests.sh [--stack onedl|openmmlab] [--all | --part K/N] [pytest arguments]

Makes the environment of that stack ready (the first time 2 to 5 minutes) and runs pytest on tests/ in it: all but the
slow tests. --all runs these, too, and --part 3/8 the third of eight parts of them. Of files that are named all run.
Paths are relative to the repository: bash tools/run_tests.sh tests/losses -x
With pytest-xdist, there is a worker for each core, 8 at most; -n 0 has none.

Variables:
  MMKD_VENV    environment to use or create (default: .venv, or .venv-openmmlab). One of yours that has PyTorch
               and OpenMMLab is used as it is; it needs pytest as well.
  MMKD_STACK   the default of --stack.
  PYTHON       Python 3.10, 3.11 or 3.12 to create the environment with.
EOF
}

print_versions() {
  "$MMKD_PYTHON" -I - <<'PY'
import platform
from importlib.metadata import packages_distributions, version

names = packages_distributions()
print('Python', platform.python_version())
for module in ('torch', 'torchvision', 'numpy', 'timm', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain', 'mmkd'):
    print(f'{module:12}', ', '.join(f'{dist} {version(dist)}' for dist in sorted(set(names.get(module, [])))) or '-')
PY
}

stack="${MMKD_STACK:-onedl}"
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --stack) stack="${2:-}"; shift ;;
    --stack=*) stack="${1#--stack=}" ;;
    *) arguments+=("$1") ;;
  esac
  [ $# -eq 0 ] || shift
done
mmkd_prepare_env "$stack"
print_versions
cd "$MMKD_ROOT"
cores="$("$MMKD_PYTHON" -I -c 'import os; print(min(8, len(getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count()))(0))))')"
workers=()
if [ "$cores" -gt 1 ] && "$MMKD_PYTHON" -I -c 'import xdist' 2>/dev/null && [[ " ${arguments[*]-} " != *" -n"* ]]; then
  workers=(-n "$cores" --dist loadfile)  # a file a worker at a time: its fixtures are made once
fi
"$MMKD_PYTHON" -I -c 'import pytest' 2>/dev/null || mmkd_die "$MMKD_PYTHON has no pytest. Install pytest pytest-timeout there."
exec "$MMKD_PYTHON" -m pytest ${arguments[@]+"${arguments[@]}"} ${workers[@]+"${workers[@]}"}
