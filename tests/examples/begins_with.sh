#!/bin/sh
# begins_with.sh FILE PROGRAM [ARGUMENT...]: the program succeeds and what it prints begins with the lines of the file.
expected=$1
shift
printed=$("$@")
status=$?
printf '%s\n' "$printed"
[ "$status" -eq 0 ] || exit "$status"
printf '%s\n' "$printed" | head -n "$(wc -l < "$expected")" | diff "$expected" - >&2
