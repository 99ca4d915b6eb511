#!/usr/bin/env bash
# Times bnorm over 1, 2, 4 and 8 ranks on this machine, one thread each:  perf/ranks.sh BUILD, a build folder with MPI.
set -euo pipefail
[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: ranks.sh BUILD, a folder" >&2; exit 2; }
build=$(realpath -- "$1")
[ -e "$build/meson-private/bnorm-mpi.pc" ] || { echo "ranks.sh: $build was built without MPI: -Dmpi=enabled" >&2; exit 1; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mpi=$(sed -n 's/^mpi=//p' "$build"/meson-private/bnorm-mpi.pc)
[ ! -x "$build/perf/bnorm-bench" ] || "$build/perf/bnorm-bench" --machine | grep -v '^# peer'
for ranks in 1 2 4 8; do "$here/../tests/mpi/run.sh" "$mpi" "$ranks" "$build/perf/bnorm-ranks"; done
