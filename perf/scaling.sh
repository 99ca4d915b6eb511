#!/bin/sh
# How bnorm scales with threads: strong (the same work) and weak (work in proportion to the threads), small arrays and
# large ones, threads pinned to cores. Prints a table, which says whether arrays are in cache or in memory; writes
# scaling.csv and scaling.svg.
set -eu

usage() {
    cat <<EOF
usage: scaling.sh [--short] [-b BUILD] [-o RESULTS]
  --short   forward only, few repetitions: some 40 seconds on two idle cores
  -b BUILD  build folder with perf/bnorm-bench, or the program itself (default: build-perf)
  -o DIR    where results go (default: BUILD/results)
EOF
}

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-perf
results=
short=
while [ $# -gt 0 ]; do
    case $1 in
    -[bo]) [ $# -ge 2 ] || { usage >&2; exit 2; } ;;
    esac
    case $1 in
    --short) short=yes ;;
    -b) build=$2; shift ;;
    -o) results=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
if [ -f "$build" ]; then
    bench=$build
    build=$(dirname "$build")
else
    bench=$build/perf/bnorm-bench
fi
[ -x "$bench" ] || { echo "scaling.sh: no bnorm-bench in $build: meson setup build-perf && ninja -C build-perf" >&2; exit 1; }
results=${results:-$build/results}
mkdir -p "$results"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Physical cores that this process may use: a second thread on a core has no memory path of its own.
cores=$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l)
[ "$cores" -ge 1 ] && [ "$cores" -le "$(nproc)" ] || cores=$(nproc)
if [ "$cores" -le 8 ] && [ -z "$short" ]; then
    threads=$(seq -s, 1 "$cores")
else
    threads=1
    n=2
    while [ "$n" -lt "$cores" ]; do
        threads=$threads,$n
        n=$((n * 2))
    done
    [ "$cores" -gt 1 ] && threads=$threads,$cores
fi

ops=forward,backward
options='--min-time=2'
if [ -n "$short" ]; then
    ops=forward
    options='--min-time=0.4 --no-limits'
fi
export OMP_PROC_BIND=close OMP_PLACES=cores OMP_DYNAMIC=false
# shellcheck disable=SC2086 # options are several words
run() { "$bench" --op="$ops" --threads="$threads" --no-textbook $options "$@" >"$work/log" || { cat "$work/log"; exit 1; }; }
echo "scaling: threads $threads, pinned; this takes a while"
# 2 MB of x, and 128 MB, or as much more as makes x and y twice the last-level cache, while three arrays of all threads
# of the second run fit half of the memory. For weak scaling 1 MB a thread, and half of the larger size.
run --shapes=1024x512 --csv="$work/strong.csv"
last=$(sed -n 's/.*last level taken as \([0-9]*\) KB.*/\1/p' "$work/strong.csv")
rows=65536
memory=$(sed -n 's/MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo 2>/dev/null || :)
while [ $((rows * 4)) -le $((2 * ${last:-0})) ] && [ $((rows * 2 * cores * 6)) -le "${memory:-0}" ]; do
    rows=$((rows * 2))
done
run --shapes="${rows}x512" --csv="$work/large.csv"
grep -v '^#' "$work/large.csv" | tail -n +2 >>"$work/strong.csv"
run --shapes="512x512,$((rows / 2))x512" --weak --csv="$work/weak.csv"

# The bench's columns by name, so that new ones do no harm.
{
    grep '^#' "$work/strong.csv"
    echo '# threads pinned: OMP_PROC_BIND=close OMP_PLACES=cores'
    echo 'scaling,place,op,shape,threads,median_ms,gb_s,speed_up,efficiency,share,interruptions_per_s'
    for kind in strong weak; do
        grep -v '^#' "$work/$kind.csv" | awk -F, -v kind=$kind '
            NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
            { printf "%s,%s,%s,%s,%d,%s,%s,%s,%.4f,%s,%s\n", kind, $at["arrays"], $at["op"], $at["shape"], $at["threads"],
                  $at["median_ms"], $at["gb_s"], $at["speed_up"], $at["speed_up"] / $at["threads"], $at["share"],
                  $at["interruptions_per_s"] }'
    done
} >"$results/scaling.csv"

echo
grep -v '^#' "$results/scaling.csv" | awk -F, '
    NR == 1 { printf "%-8s %-7s %-9s %-13s %7s %11s %8s %9s %11s %14s\n", "scaling", "arrays", "op", "shape",
                     "threads", "median ms", "GB/s", "speed-up", "efficiency", "interrupted/s"; next }
    { printf "%-8s %-7s %-9s %-13s %7d %11.4f %8.1f %9.2f %10.0f%% %14d\n", $1, $2, $3, $4, $5, $6, $7, $8, 100 * $9, $11 }'
cat <<EOF

speed-up: over one thread in the same repetitions; rows are measured one after the other, and their quotients say less
interrupted/s: by other processes; many make a row doubtful
memory: arrays beyond twice the last-level cache, which the system says has $last KB; one thread's share of a weak row,
        which it is compared with, may be in cache
EOF

if ! command -v gnuplot >/dev/null; then
    printf '\nNo picture: gnuplot is not installed (gnuplot-nox). Figures: %s\n' "$results/scaling.csv"
    exit 0
fi

# One file per line of the picture, named by the size of x: weak arrays may leave the cache as the threads grow.
grep -v '^#' "$results/scaling.csv" | awk -F, -v dir="$work" '
    NR == 1 { next }
    { split($4, size, "x")
      mb = size[1] * size[2] * 4 / 1048576
      name = $1 " " $3 ", " ($1 == "weak" ? mb / $5 " MB a thread" : mb " MB")
      if (!(name in number)) { number[name] = ++count; print name > (dir "/names") }
      print $5, $8, $9, name > (dir "/series" number[name]) }'
series=$(wc -l <"$work/names")
cpu=$(sed -n 's/^# cpu: //p' "$results/scaling.csv" | tr -d "'\"")
{
    echo "set terminal svg size 860,520 dynamic background 'white' font 'sans,13'"
    echo "set output '$work/scaling.svg'"
    echo "set title 'bnorm: speed-up over one thread, f32' noenhanced"
    echo "set label 1 '$cpu' at screen 0.5,0.03 center noenhanced font ',10'"
    echo 'set bmargin 5; set key outside right noenhanced; set grid y; set yrange [0:*]; set xlabel "threads"'
    if [ "$cores" -ge 4 ]; then
        echo "set xrange [0.5:$cores + 0.5]; set xtics ($(echo "$threads" | sed 's/\([0-9]*\)/"\1" \1/g'))"
        printf "plot x with lines dashtype 2 linecolor 'grey' title 'ideal'"
        i=1
        while read -r name; do
            printf ", '%s/series%d' using 1:2 with linespoints linewidth 2 title '%s'" "$work" $i "$name"
            i=$((i + 1))
        done <"$work/names"
    else
        # Too few points for a curve: bars.
        echo 'set style fill solid 0.8'
        echo "set boxwidth 0.8 / $series; set xrange [0.5:$cores + 0.6]; set xtics 1"
        printf "plot x with lines dashtype 2 linecolor 'grey' title 'ideal'"
        i=1
        while read -r name; do
            printf ", '%s/series%d' using (\$1 + 0.8 * (%d - (%d + 1) / 2.0) / %d):2 with boxes title '%s'" \
                "$work" $i $i "$series" "$series" "$name"
            i=$((i + 1))
        done <"$work/names"
    fi
    echo
} >"$work/plot"
gnuplot "$work/plot"
mv "$work/scaling.svg" "$results/scaling.svg"
printf '\nFigures: %s\nPicture: %s\n' "$results/scaling.csv" "$results/scaling.svg"
