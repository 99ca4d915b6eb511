#!/bin/sh
# A picture of what accuracy.py printed: error of y against |mean| / std, each contestant a line, as SVG.
set -eu

[ $# -eq 2 ] || { echo 'usage: accuracy-chart.sh RESULT.csv PICTURE.svg' >&2; exit 2; }
command -v gnuplot >/dev/null || { echo 'accuracy-chart.sh: gnuplot is not installed (gnuplot-nox)' >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cpu=$(sed -n 's/^# cpu: //p' "$1" | tr -d "'\"")
date=$(sed -n 's/^# date: //p' "$1")
grep -v '^#\|^constant' "$1" >"$work/rows"
columns=$(head -n 1 "$work/rows" | tr , '\n' | wc -l)
cat >"$work/plot" <<EOF
set terminal svg size 1100,560 dynamic background 'white' font 'sans,13'
set output '$work/picture.svg'
set datafile separator ','
set title 'forward training, 4096 x 64 float32: worst error of y where |y| >= 0.01' noenhanced
set label 1 '$cpu, $date' at screen 0.5,0.02 center noenhanced font ',10'
set bmargin 5; set grid y; set key top left noenhanced
set logscale y; set yrange [1:1e10]; set format y '%.0e'
set xlabel '|mean| / std of the columns'; set ylabel 'units of 2^{-24} of y'
set key autotitle columnhead
plot for [i=2:$columns] '$work/rows' using 0:i:xtic(1) with linespoints linewidth 2 dashtype i-1 pointtype 3+i \
    pointsize 2.2-0.3*i
EOF
gnuplot "$work/plot"
mv "$work/picture.svg" "$2"
echo "Picture: $2"
