#!/bin/sh
# Pictures of results, as SVG: for each operation time against peers, share of the machine's limit, and, of 16 bits,
# time against f32.
set -eu

usage() {
    cat <<EOF
usage: charts.sh [-o DIR] [-d DTYPE] [-l LAYOUT] RESULT.csv...
  RESULT.csv  of bnorm-bench --csv and of peers.py; rows with the most threads and the first instruction set are drawn
  -o DIR      where the pictures go (default: beside the first result)
  -d DTYPE    f32 (the default), f64, bf16 or f16
  -l LAYOUT   nchw: images channels first; nhwc (the default): channels last, and matrices
EOF
}

out=
dtype=f32
layout=nhwc
while [ $# -gt 0 ]; do
    case $1 in
    -[odl]) [ $# -ge 2 ] || { usage >&2; exit 2; } ;;
    esac
    case $1 in
    -o) out=$2; shift 2 ;;
    -d) dtype=$2; shift 2 ;;
    -l) layout=$2; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
    esac
done
[ $# -ge 1 ] || { usage >&2; exit 2; }
for file; do
    [ -r "$file" ] || { echo "charts.sh: cannot read $file" >&2; exit 1; }
done
out=${out:-$(dirname "$1")}
mkdir -p "$out"
command -v gnuplot >/dev/null || { echo 'charts.sh: gnuplot is not installed (gnuplot-nox)' >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cpu=$(sed -n 's/^# cpu: //p' "$1" | head -n 1 | tr -d "'\"")

# op peer shape threads isa median ratio share q1 q3 arrays f32_ratio, one line a row; "-" for what is empty. The
# rival's blocked layout is one more peer, in a line of its own without a share.
for file; do
    grep -v '^#' "$file" | awk -F, -v dtype="$dtype" -v layout="$layout" '
        function cell(name) { v = (name in at) ? $at[name] : ""; gsub(/ /, "_", v); return v == "" ? "-" : v }
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["dtype"] == dtype && ($at["layout"] == "nchw") == (layout == "nchw") {
            print cell("op"), cell("peer"), cell("shape"), cell("threads"), cell("isa"), cell("median_ms"),
                cell("peer_ratio"), cell("share"), cell("share_q1"), cell("share_q3"), cell("arrays"),
                cell("f32_ratio")
            if (cell("blocked_ratio") != "-")
                print cell("op"), cell("blocked"), cell("shape"), cell("threads"), cell("isa"), cell("median_ms"),
                    cell("blocked_ratio"), "- - - - -" }'
done >"$work/rows"
[ -s "$work/rows" ] || { echo "charts.sh: no rows of $dtype, $layout" >&2; exit 1; }
prefix=
[ "$layout" = nchw ] && prefix=nchw-
[ "$dtype" = f32 ] || prefix=$prefix$dtype-
threads=$(awk '$4 > most { most = $4 } END { print most }' "$work/rows")
isa=$(awk -v t="$threads" '$4 == t { print $5; exit }' "$work/rows")
awk -v t="$threads" -v isa="$isa" '$4 == t && $5 == isa' "$work/rows" >"$work/chosen"

begin() {
    echo "set terminal svg size 1100,560 dynamic background 'white' font 'sans,13'"
    echo "set output '$work/picture.svg'"
    echo "set title \"$1\" noenhanced"
    echo "set label 1 '$cpu; $threads threads, $isa, $dtype, $layout' at screen 0.5,0.02 center noenhanced font ',10'"
    echo 'set bmargin 9; set grid y; set key top left noenhanced; set xtics rotate by 40 right noenhanced'
}

drawn=
draw() {
    gnuplot "$work/plot"
    drawn=yes
    mv "$work/picture.svg" "$1"
    echo "Picture: $1"
}

for op in forward inference backward; do
    # Time against peers: one group of bars a shape, each as a multiple of bnorm's time in the same repetitions.
    awk -v op="$op" -v dir="$work" '
        $1 == op && $7 != "-" {
            if (!($2 in peer)) { peer[$2] = ++peers; names[peers] = $2 }
            if (!($3 in seen)) { seen[$3] = 1; shapes[++count] = $3; ms[$3] = $6 }
            ratio[$3, $2] = $7 }
        END {
            for (s = 1; s <= count; s++) {
                printf "\"%s (%.3g ms)\"", shapes[s], ms[shapes[s]]
                for (p = 1; p <= peers; p++) printf " %s", ((shapes[s], names[p]) in ratio) ? ratio[shapes[s], names[p]] : "NaN"
                print ""
            }
            for (p = 1; p <= peers; p++) print names[p] > (dir "/peers")
        }' "$work/chosen" >"$work/against"
    if [ -s "$work/against" ]; then
        {
            begin "$op: time against bnorm's (in brackets), below 1 is faster than bnorm"
            echo 'set style data histograms; set style histogram clustered gap 1; set style fill solid 0.8'
            echo 'set logscale y; set ylabel "times as long as bnorm"; set arrow from graph 0, first 1 to graph 1, first 1 nohead front'
            i=2
            printf 'plot '
            while read -r name; do
                printf "%s'%s/against' using %d:xtic(1) title '%s'" "$([ $i -gt 2 ] && echo ', ')" "$work" $i \
                    "$(echo "$name" | tr _ ' ')"
                i=$((i + 1))
            done <"$work/peers"
            echo
        } >"$work/plot"
        draw "$out/peers-$prefix$op.svg"
    fi

    # Share of the limit, with quartiles.
    awk -v op="$op" '$1 == op && $8 != "-" { print ++n, $3 ($11 == "memory" ? " (memory)" : " (cache)"), $8, $9, $10 }' "$work/chosen" |
        awk '{ printf "%d \"%s %s\" %s %s %s\n", $1, $2, $3, $4, $5, $6 }' >"$work/share"
    if [ -s "$work/share" ]; then
        {
            begin "$op: share of the machine's limit, median and quartiles"
            echo 'set yrange [0:*]; set ylabel "limit time / bnorm time"; set style fill solid 0.6; set boxwidth 0.6; unset key'
            echo 'set arrow from graph 0, first 1 to graph 1, first 1 nohead dashtype 2'
            echo "plot '$work/share' using 1:3:xtic(2) with boxes, '' using 1:3:4:5 with yerrorbars pointtype 0 linecolor 'black'"
        } >"$work/plot"
        draw "$out/share-$prefix$op.svg"
    fi

    # Of 16 bits: the same work in f32.
    awk -v op="$op" '$1 == op && $12 != "-" { printf "%d \"%s (%.3g ms, %s)\" %s\n", ++n, $3, $6, $11, $12 }' "$work/chosen" >"$work/f32"
    if [ -s "$work/f32" ]; then
        {
            begin "$op: time of the same work in f32 against $dtype's (in brackets)"
            echo 'set yrange [0:*]; set ylabel "times as long as in 16 bits"; set style fill solid 0.6; set boxwidth 0.6; unset key'
            echo 'set arrow from graph 0, first 1 to graph 1, first 1 nohead dashtype 2'
            echo "plot '$work/f32' using 1:3:xtic(2) with boxes"
        } >"$work/plot"
        draw "$out/over-f32-$prefix$op.svg"
    fi
done
[ "$drawn" ] || { echo "charts.sh: nothing in these rows to draw" >&2; exit 1; }
