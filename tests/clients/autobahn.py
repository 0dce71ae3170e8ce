"""The Autobahn cases, run by the PyPI package `kosoku`, against the example `echo`.

Sections 12 and 13 (permessage-deflate) are left out. Every other case of kosoku's own index has to be in
the report, with OK for its messages and OK for its close.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from kosoku.cases import CASES

from servers import TARGET, Server

SECTIONS = ("1", "2", "3", "4", "5", "6", "7", "9", "10")

# The suite gives these no other verdict: messages after a close frame, and close codes 5000 and 65535.
INFORMATIONAL = frozenset({"7.1.6", "7.13.1", "7.13.2"})

# The suite sends up to 16 MiB in one message, and up to 65,536 fragments.
LIMITS = ("--max-message-size", "33554432", "--max-fragments", "70000")

REPORTS = TARGET / "autobahn"


def section(case):
    return case.split(".")[0]


def run(address):
    """Runs the cases one after another; returns the report's verdicts by case id."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    kosoku = Path(sys.executable).with_name("kosoku")
    include = [argument for name in SECTIONS for argument in ("--include", f"{name}.*")]
    # Its exit status calls NON-STRICT a success, so only the report counts.
    subprocess.run([kosoku, "--outdir", REPORTS, *include, address], timeout=600, check=False)
    agents = json.loads((REPORTS / "index.json").read_text())
    if len(agents) != 1:
        raise RuntimeError(f"reports of one server expected, not of {list(agents)}")
    return next(iter(agents.values()))


def complaint(case, verdicts):
    """What is wrong with `case`, or nothing."""
    verdict = verdicts.get(case)
    if verdict is None:
        return "missing in the report"
    expected = "INFORMATIONAL" if case in INFORMATIONAL else "OK"
    found = (verdict["behavior"], verdict["behaviorClose"])
    if found != (expected, expected):
        return f"messages {found[0]}, close {found[1]}: see {REPORTS / verdict['reportfile']}"
    return None


def main():
    expected = [case for case in CASES if section(case) in SECTIONS]
    with Server("echo", *LIMITS, profile="release") as server:
        verdicts = run(server.address)

    complaints = {case: why for case in expected if (why := complaint(case, verdicts))}
    complaints |= {case: "not in kosoku's index" for case in verdicts if case not in CASES}
    print("\nsection  cases  passed")
    for name in SECTIONS:
        cases = [case for case in expected if section(case) == name]
        passed = sum(case not in complaints for case in cases)
        print(f"{name:>7}  {len(cases):>5}  {passed:>6}")
        if not cases:
            complaints[f"{name}.*"] = "not in kosoku's index"
    for case, why in complaints.items():
        print(f"{case}: {why}")
    failed = sum(case in complaints for case in expected)
    print(f"autobahn: {len(expected) - failed} passed, {failed} failed")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
