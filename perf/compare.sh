#!/bin/sh
# Two builds side by side: the programs run in turn, so that the machine's drift hits both; ratios are taken round by
# round, then their median. Above 1 the second is faster.
set -eu

usage() {
    cat <<EOF
usage: compare.sh [-n ROUNDS] A B [bnorm-bench options]
  A, B are build folders with perf/bnorm-bench, or the programs. Default: 5 rounds of
  --suite=matrices --no-limits --no-textbook --min-time=0.2, on all cores. Rows are marked ! as bnorm-bench marks them,
  where that was so in any round.
EOF
}

rounds=5
while [ $# -gt 0 ]; do
    case $1 in
    -n) [ $# -ge 2 ] || break; rounds=$2; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) break ;;
    esac
done
[ $# -ge 2 ] && [ "$rounds" -ge 1 ] || { usage >&2; exit 2; }
program() { if [ -d "$1" ]; then echo "$1/perf/bnorm-bench"; else echo "$1"; fi; }
a=$(program "$1")
b=$(program "$2")
shift 2
for bench in "$a" "$b"; do
    [ -x "$bench" ] || { echo "compare.sh: cannot run $bench" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

round=1
while [ "$round" -le "$rounds" ]; do
    # Who goes first changes from round to round.
    if [ $((round % 2)) -eq 1 ]; then order='a b'; else order='b a'; fi
    for who in $order; do
        if [ "$who" = a ]; then bench=$a; else bench=$b; fi
        "$bench" --no-limits --no-textbook --min-time=0.2 "$@" --csv="$work/$who$round.csv" >"$work/log" ||
            { cat "$work/log"; exit 1; }
    done
    echo "round $round of $rounds" >&2
    round=$((round + 1))
done

said() { sed -n "s/^# $1: //p" "$work/$2.csv"; }
echo "A: $a, $(said bnorm a1); $(said compiler a1), $(said flags a1)"
echo "B: $b, $(said bnorm b1); $(said compiler b1), $(said flags b1)"
said cpu a1
for who in a b; do
    round=1
    while [ "$round" -le "$rounds" ]; do
        grep -v '^#' "$work/$who$round.csv" | awk -F, -v who=$who -v round=$round '
            NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
            { print who, round, $at["op"] " " $at["dtype"] " " $at["shape"] " " $at["threads"] " " $at["isa"], $at["median_ms"],
                $at["interruptions_per_s"], $at["others"] }'
        round=$((round + 1))
    done
done | awk -v rounds="$rounds" -v cpus="$(said cpu a1 | sed 's/.* \([0-9]*\) logical.*/\1/')" '
    function middle(list, n,   i, j, t) {
        for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    { key = $3 " " $4 " " $5 " " $6 " " $7
      if (!(key in seen)) { seen[key] = 1; keys[++count] = key }
      time[$1, $2, key] = $8
      if ($9 > 100 || $10 > cpus - $6 + 0.2) mark[key] = "  !" } # as report.c does
    END {
        printf "%-9s %-4s %-15s %7s %-7s %11s %11s %7s  %s\n", "op", "type", "shape", "threads", "isa", "A ms", "B ms", "A / B", "[least most]"
        for (k = 1; k <= count; k++) {
            key = keys[k]; n = 0
            for (r = 1; r <= rounds; r++) if ((("a", r, key) in time) && (("b", r, key) in time)) {
                n++; x[n] = time["a", r, key]; y[n] = time["b", r, key]; q[n] = x[n] / y[n]
            }
            if (!n) continue
            ratio = middle(q, n)
            split(key, part, " ")
            printf "%-9s %-4s %-15s %7d %-7s %11.5f %11.5f %7.3f  [%.3f %.3f]%s\n", part[1], part[2], part[3], part[4],
                part[5], middle(x, n), middle(y, n), ratio, q[1], q[n], mark[key]
            sum += log(ratio); all++; if (key in mark) marked++
        }
        if (all) printf "geometric mean of A / B: %.3f (above 1 B is faster)%s\n", exp(sum / all),
            marked == all ? "; all rows are marked, so not to be trusted" : marked ? "; " marked " of " all " rows are marked" : ""
    }'
