"""Prints what a Meson test log says, one line per suite, and counts: a Criterion suite by its cases, a program as one.

    summary.py EXPECTED LOG

Exits with 1 where anything failed, was skipped, or fewer than EXPECTED ran. The last line is "N passed, N failed"."""
import json
import re
import sys

CASE = re.compile(r"^(not )?ok\b[ \d]*-? *(.*?) *(?:\([\d.]+s\))?$")


def read_cases(run):
    """(name, passed, skipped) of each case of one Meson test."""
    cases = []
    for line in run.get("stdout", "").splitlines():
        match = CASE.match(line)
        if match:
            name, _, directive = match.group(2).partition("#")
            cases.append((name.strip(), not match.group(1), directive.strip().upper().startswith("SKIP")))
    good = run["result"] in ("OK", "EXPECTEDFAIL")
    if not cases:
        return [(run["name"], good, run["result"] == "SKIP")]
    if not good and all(passed for _, passed, _ in cases):
        cases.append(("%s: %s" % (run["name"], run["result"]), False, False))  # it crashed, or ran out of time
    return cases


def main(expected, log):
    passed, failed, skipped = 0, [], []
    for line in open(log, encoding="utf-8"):
        run = json.loads(line)
        cases = read_cases(run)
        good = sum(ok and not skip for _, ok, skip in cases)
        passed += good
        failed += [name for name, ok, _ in cases if not ok]
        skipped += [name for name, ok, skip in cases if ok and skip]
        print("%-14s %3d of %3d passed  %6.1f s" % (run["name"], good, len(cases), run["duration"]))
    for name in failed:
        print("FAILED   " + name)
    for name in skipped:
        print("SKIPPED  " + name)
    missing = expected - passed - len(failed) - len(skipped)
    if missing > 0:
        print("MISSING  %d of %d expected tests did not run" % (missing, expected))
    bad = len(failed) + len(skipped) + max(missing, 0)
    print("%d passed, %d failed" % (passed, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
