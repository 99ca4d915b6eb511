# Sourced by the jobs of this folder, each a program that `tests/run --long` runs: exit status 0 is passed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build-long-$(basename "$0")
cd "$root"

# build_in FOLDER OPTION...: a build folder set up afresh, and built; what it printed is shown only where it failed.
build_in() {
    rm -rf "$1"
    { meson setup "$1" "$root" "${@:2}" && meson compile -C "$1"; } >"$1.log" 2>&1 || {
        cat "$1.log" >&2
        return 1
    }
    rm "$1.log"
}
