"""
Runs trial and adds one plain closing line: how many tests passed, failed and were skipped.

``python -m tests.support.tally tests`` prints what trial prints; its exit status is trial's, and a run without
a single test is a failure.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable

#: Trial's last line: ``PASSED (skips=2, successes=10)`` or ``FAILED (failures=1, errors=2, successes=7)``.
_SUMMARY = re.compile(r"(PASSED|FAILED)(?: \(([a-zA-Z=0-9, ]*)\))?\s*")
_FAILED = ("failures", "errors", "unexpectedSuccesses")
_PASSED = ("successes", "expectedFailures")


def tally(lines: Iterable[str]) -> tuple[int, int, int] | None:
    """The numbers of tests that passed, failed and were skipped, by the last summary among ``lines``."""
    found = None
    for line in lines:
        if summary := _SUMMARY.fullmatch(line):
            counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", summary[2] or "")}
            passed, failed = (sum(counts.get(name, 0) for name in names) for names in (_PASSED, _FAILED))
            found = (passed, failed, counts.get("skips", 0))
    return found


def main(arguments: list[str]) -> int:
    """Run trial on ``arguments`` and return the exit status."""
    command = [sys.executable, "-m", "twisted.trial", "--temp-directory=.work/trial", *arguments]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as trial:
        assert trial.stdout is not None
        for line in trial.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    counts = tally(lines)
    if counts is None or not any(counts):
        print("no test ran")
        return trial.returncode or 1
    print("{} passed, {} failed, {} skipped".format(*counts))
    return trial.returncode or int(counts[1] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
