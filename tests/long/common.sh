# Sourced by the jobs of this folder, each a program that `tests/run --long` runs: exit status 0 is passed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build-long-$(basename "$0")
cd "$root"

# compiler NAME LEVEL: lib/meson.build gives the kernels -O3, after all that Meson's options say; so LEVEL has the last
# word on every line.
compiler() { echo "sh -c 'exec $1 \"\$@\" $2' $1"; }

# build_in FOLDER OPTION...: a build folder set up afresh, and built; what it printed is shown only where it failed.
build_in() {
    rm -rf "$1"
    { meson setup "$1" "$root" "${@:2}" && meson compile -C "$1"; } >"$1.log" 2>&1 || {
        cat "$1.log" >&2
        return 1
    }
    rm "$1.log"
}

# copy_tree FOLDER: a copy of the tree to spoil. By contents: what is as it was keeps its time, and is not built again.
copy_tree() {
    mkdir -p "$1"
    rsync -rc --delete include lib perf tests meson.build meson_options.txt "$1/"
}

# each_defect JOB COMMAND...: for each patch of tests/mutants whose first line is "JOB: WORDS", what COMMAND WORDS prints
# and returns in a spoilt copy, $build/tree. It must fail, and say what the second line, "sees: PATTERN", tells.
each_defect() {
    local patch name words pattern result=0
    for patch in $(grep -l "^$1: " tests/mutants/*.patch); do
        name=$(basename "$patch" .patch)
        words=$(sed -n "1s/^$1: //p" "$patch")
        pattern=$(sed -n '2s/^sees: //p' "$patch")
        copy_tree "$build/tree"
        patch -d "$build/tree" -p1 -s --no-backup-if-mismatch -r - <"$patch" || result=1
        # shellcheck disable=SC2086
        if "${@:2}" $words >"$build/defect.log" 2>&1 || ! grep -qE -- "$pattern" "$build/defect.log"; then
            echo "$name: NOT CAUGHT"
            tail -20 "$build/defect.log"
            result=1
        else
            echo "$name: caught"
        fi
    done
    copy_tree "$build/tree"
    return $result
}
