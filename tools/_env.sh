# Sourced by the other scripts of this folder. Sets MMKD_ROOT and defines
#   mmkd_prepare_env STACK   makes the environment of requirements/STACK.lock ready and sets MMKD_PYTHON to its Python
#   mmkd_pick_python         sets MMKD_PYTHON to the Python that runs training, without installing anything
#   mmkd_rendezvous          sets MMKD_RENDEZVOUS to the flags by which torchrun's processes find each other
#
# Variables: MMKD_VENV, the environment (default: .venv, or .venv-openmmlab for that stack); PYTHON, the Python to
# create it with. An environment that was not made here is never changed, but for mmkd itself: see _mmkd_adopt.
# shellcheck shell=bash

MMKD_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

mmkd_say() { printf '[mmkd] %s\n' "$*" >&2; }

mmkd_die() { printf '[mmkd] error: %s\n' "$*" >&2; exit 1; }

mmkd_venv_of() {
  local venv
  case "$1" in
    onedl) venv="${MMKD_VENV:-$MMKD_ROOT/.venv}" ;;
    openmmlab) venv="${MMKD_VENV:-$MMKD_ROOT/.venv-openmmlab}" ;;
    *) mmkd_die "stack expects onedl or openmmlab, got '$1'." ;;
  esac
  case "$venv" in /*) ;; *) venv="$PWD/$venv" ;; esac
  printf '%s\n' "$venv"
}

mmkd_pick_python() {
  MMKD_PYTHON="${PYTHON:-}"
  [ -z "$MMKD_PYTHON" ] || return 0
  if [ -z "${VIRTUAL_ENV:-}" ] && [ "${CONDA_DEFAULT_ENV:-base}" = base ]; then
    MMKD_PYTHON="$(mmkd_venv_of onedl)/bin/python"
    [ ! -x "$MMKD_PYTHON" ] || return 0
  fi
  MMKD_PYTHON="$(command -v python || command -v python3)" || mmkd_die 'no python found. Activate an environment.'
}

# On a single machine without a port of the user's the system hands one out, so that two runs never share one.
mmkd_rendezvous() {
  if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}${MASTER_ADDR:-}" ]; then
    MMKD_RENDEZVOUS=(--standalone --local_addr=127.0.0.1)
  else
    # shellcheck disable=SC2034
    MMKD_RENDEZVOUS=(--nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}"
      --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}")
  fi
}

mmkd_prepare_env() {
  local stack="$1" venv
  case "$MMKD_ROOT" in
    */.mim) mmkd_die "this script sets up a checkout, and mmkd is installed here. Run python $MMKD_ROOT/tools/quickstart.py" ;;
  esac
  venv="$(mmkd_venv_of "$stack")"
  MMKD_PYTHON="$venv/bin/python"
  if [ -x "$MMKD_PYTHON" ] && [ ! -e "$venv/.mmkd-owned" ] && _mmkd_adopt "$venv"; then
    mmkd_say "using your environment $venv as it is; only mmkd is installed into it"
  else
    _mmkd_create "$venv"
    _mmkd_install_lock "$venv" "$stack"
  fi
  _mmkd_install_self "$venv"
}

# Succeeds if somebody else's environment has all that mmkd needs, fails if it is bare, and stops otherwise.
_mmkd_adopt() {
  local verdict
  verdict="$("$MMKD_PYTHON" -I - <<'PY'
from importlib.metadata import distributions
from importlib.util import find_spec

missing = [name for name in ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain')
           if find_spec(name) is None]
bare = {dist.metadata['Name'].lower() for dist in distributions()} <= {'pip', 'setuptools', 'wheel'}
print('complete' if not missing else 'bare' if bare else ' '.join(missing))
PY
)" || mmkd_die "$MMKD_PYTHON does not run. Remove $1 or set MMKD_VENV to another folder."
  case "$verdict" in
    complete) return 0 ;;
    bare) [ -e "$1/pyvenv.cfg" ] || mmkd_die "$1 is no virtual environment. Set MMKD_VENV to another folder."
      echo adopted > "$1/.mmkd-owned"; return 1 ;;
    *) mmkd_die "$1 has packages of yours, but not: $verdict. Install them there, or set MMKD_VENV to a new folder." ;;
  esac
}

_mmkd_find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.10 python3 python; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' \
        >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
    [ "$candidate" != "${PYTHON:-}" ] || mmkd_die "PYTHON=$PYTHON is no Python 3.10, 3.11 or 3.12 with venv and ensurepip."
  done
  mmkd_die 'no Python 3.10, 3.11 or 3.12 with venv and ensurepip found (on Debian: apt install python3-venv).' \
    'Install one, or set PYTHON to it.'
}

_mmkd_create() {
  local venv="$1" python start=$SECONDS
  if [ -e "$venv/.mmkd-owned" ]; then
    ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 || return 0
    [ "$(cat "$venv/.mmkd-owned")" = created ] || mmkd_die "$venv has no pip. Install it there or set MMKD_VENV."
    find "$venv" -mindepth 1 ! -name .mmkd-owned -delete  # left over from an interrupted run
  elif [ -n "$(ls -A "$venv" 2>/dev/null)" ]; then
    mmkd_die "$venv exists and is no environment. Remove it or set MMKD_VENV to another folder."
  fi
  python="$(_mmkd_find_python)" || exit 1
  mmkd_say "creating $venv with $("$python" --version) ..."
  mkdir -p "$venv"
  echo created > "$venv/.mmkd-owned"
  "$python" -m venv "$venv" || mmkd_die "$python -m venv failed. On Debian: apt install python3-venv."
  mmkd_say "created in $((SECONDS - start)) s"
}

_mmkd_hash() {
  "$MMKD_PYTHON" -I -c 'import hashlib, sys
print(hashlib.sha256(b"".join(open(path, "rb").read() for path in sys.argv[1:])).hexdigest())' "$@"
}

_mmkd_install_lock() {
  local venv="$1" lock="requirements/$2.lock" hash start=$SECONDS
  hash="$(_mmkd_hash "$MMKD_ROOT/$lock")"
  [ "$(cat "$venv/.mmkd-lock" 2>/dev/null || true)" != "$hash" ] || return 0
  rm -f "$venv/.mmkd-lock"
  mmkd_say "installing the packages of $lock (PyTorch alone is about 2 GB; 2 to 5 minutes) ..."
  # The constraints pin the build tools of packages that come as sources. They are named relative to the root, since
  # pip splits the variable at spaces. Without isolation mmcv would compile its ops, for a quarter of an hour.
  (cd "$MMKD_ROOT" && PIP_CONSTRAINT="$lock" PIP_BUILD_CONSTRAINT="$lock" "$MMKD_PYTHON" -m pip install --quiet \
    --no-input --disable-pip-version-check --no-deps --no-compile -r "$lock") ||
    mmkd_die "$lock could not be installed, see above. Check the connection and run this again: it goes on from here."
  printf '%s\n' "$hash" > "$venv/.mmkd-lock"
  mmkd_say "installed in $((SECONDS - start)) s"
}

_mmkd_install_self() {
  local venv="$1" hash start=$SECONDS isolation=--no-build-isolation
  hash="$MMKD_ROOT $(_mmkd_hash "$MMKD_ROOT/setup.py" "$MMKD_ROOT/pyproject.toml" "$MMKD_ROOT/mmkd/version.py")"
  if [ "$(cat "$venv/.mmkd-self" 2>/dev/null || true)" = "$hash" ] && [ -e "$MMKD_ROOT/mmkd/.mim/configs" ] &&
      "$MMKD_PYTHON" -I -c 'from importlib.metadata import version; version("mmkd")' 2>/dev/null; then
    return 0
  fi
  rm -f "$venv/.mmkd-self"
  mmkd_say 'installing mmkd itself (editable) ...'
  # An older setuptools cannot build without the wheel package; isolated, pip fetches a newer one for the build.
  "$MMKD_PYTHON" -I -c 'import setuptools, sys
sys.exit(tuple(map(int, setuptools.__version__.split(".")[:2])) < (70, 1))' 2>/dev/null || isolation=--quiet
  "$MMKD_PYTHON" -m pip install --quiet --no-input --disable-pip-version-check --no-deps "$isolation" \
    -e "$MMKD_ROOT" || mmkd_die "mmkd could not be installed into $venv, see above."
  printf '%s\n' "$hash" > "$venv/.mmkd-self"
  mmkd_say "installed in $((SECONDS - start)) s"
}
