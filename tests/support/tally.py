"""
Runs trial and adds one plain closing line: how many tests passed, failed and were skipped.

``python -m tests.support.tally tests`` prints what trial prints; its exit status is trial's, and a run without
a single test is a failure.  A few tests of real programs that fail are run once more, by themselves, and named:
browsers and balancers on a busy machine are late now and then.  What fails twice has failed.
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


_FAILURE = re.compile(r"(tests\.[\w.]+\.[A-Z]\w*\.test_\w+)\s*")
_REAL = "tests.interop."

MOST_TRIED_AGAIN = 5
"""Failures that may be chance; more of them are not."""


def failures(lines: Iterable[str]) -> list[str]:
    """The names of the tests that failed, as trial prints each below its traceback."""
    return list(dict.fromkeys(found[1] for line in lines if (found := _FAILURE.fullmatch(line))))


def worth_another_try(names: list[str], failed: int) -> bool:
    """Whether these are all that failed, few, and tests of real programs."""
    real = all(name.startswith(_REAL) for name in names)
    return real and len(names) == failed and 0 < failed <= MOST_TRIED_AGAIN


def tally(lines: Iterable[str]) -> tuple[int, int, int] | None:
    """The numbers of tests that passed, failed and were skipped, by the last summary among ``lines``."""
    found = None
    for line in lines:
        if summary := _SUMMARY.fullmatch(line):
            counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", summary[2] or "")}
            passed, failed = (sum(counts.get(name, 0) for name in names) for names in (_PASSED, _FAILED))
            found = (passed, failed, counts.get("skips", 0))
    return found


def run(arguments: list[str]) -> tuple[int, list[str]]:
    """Run trial; its exit status and what it printed."""
    command = [sys.executable, "-m", "twisted.trial", "--temp-directory=.work/trial", *arguments]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as trial:
        assert trial.stdout is not None
        for line in trial.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return trial.returncode, lines


def main(arguments: list[str]) -> int:
    """Run trial on ``arguments`` and return the exit status."""
    status, lines = run(arguments)
    counts = tally(lines)
    if counts is None or not any(counts):
        print("no test ran")
        return status or 1
    passed, failed, skipped = counts
    if worth_another_try(late := failures(lines), failed):
        print("once more:", *late)
        status, _ = run(late)
        if status == 0:
            passed, failed = passed + failed, 0
            print("passed at the second try only:", *late)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return status or int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
