"""The Autobahn cases, run by the PyPI package `kosoku`: sections 1-10 against the example `echo`, sections 12 and 13
(permessage-deflate) against the example `compression`.

Every case of kosoku's own index in those sections has to be in the report, with OK for its messages and OK for its
close. Of the 216 cases of compression a sample is run, with each offer and each kind of data, unless an argument is
`--full`. Other arguments name the runs to make: all, if there are none.
"""

import asyncio
import json
import shutil
import sys

from kosoku import FailureError, run_fuzzingclient
from kosoku._report import write_reports
from kosoku.cases import CASES

from servers import TARGET, Server

FULL = "--full" in sys.argv[1:]

# The suite gives these no other verdict: messages after a close frame, and close codes 5000 and 65535.
INFORMATIONAL = frozenset({"7.1.6", "7.13.1", "7.13.2"})

# The suite sends up to 16 MiB in one message, and up to 65,536 fragments.
LIMITS = ("--max-message-size", "33554432", "--max-fragments", "70000")

# What the server is told, and which sections are run against it. The suite's client always hints that it will use no
# context takeover, and uses it all the same where the server does not take up the hint.
RUNS = {
    "echo": ("echo", (), ("1", "2", "3", "4", "5", "6", "7", "9", "10")),
    "compression": ("compression", (), ("12", "13")),
    "takeover": ("compression", ("--context-takeover",), ("12", "13")),
    "takeover-both-ways": ("compression", ("--context-takeover", "--ignore-client-hint"), ("12", "13")),
}

# The sizes of messages in a sample, by their number: 256 bytes, 8 KiB, and 32 KiB in fragments.
SAMPLES = {"compression": ("3", "6"), "takeover": ("3", "6"), "takeover-both-ways": ("6", "13")}

# When the suite ends a case, whatever the case allows itself: too early for the largest on a busy machine.
CASE_MILLISECONDS = 30_000

REPORTS = TARGET / "autobahn"


def section(case):
    return case.split(".")[0]


def selected(run, sections):
    """The cases of a run."""
    cases = [case for case in CASES if section(case) in sections]
    if FULL or run not in SAMPLES:
        return cases
    return [case for case in cases if case.split(".")[-1] in SAMPLES[run]]


def expect_bytes():
    """In sections 12 and 13 the suite expects bytes, and hands on text where a message was not compressed."""
    for case in (CASES[name] for name in CASES if section(name) in ("12", "13")):

        def on_message(self, message, binary, plain=case.onMessage):
            if isinstance(message, str):
                message = message.encode("latin-1" if binary else "utf-8")
            plain(self, message, binary)

        case.onMessage = on_message


async def verdicts(address, cases, reports):
    """Runs the cases one after another; returns the report's verdicts by case id."""
    shutil.rmtree(reports, ignore_errors=True)
    try:
        async with asyncio.timeout(1800):
            results = await run_fuzzingclient(address, cases, None, concurrency=1)
    except FailureError as failure:
        results = failure.results
    write_reports(results, str(reports))
    agents = json.loads((reports / "index.json").read_text())
    if len(agents) != 1:
        raise RuntimeError(f"reports of one server expected, not of {list(agents)}")
    return next(iter(agents.values()))


def complaint(case, verdicts, reports):
    """What is wrong with `case`, or nothing."""
    verdict = verdicts.get(case)
    if verdict is None:
        return "missing in the report"
    expected = "INFORMATIONAL" if case in INFORMATIONAL else "OK"
    found = (verdict["behavior"], verdict["behaviorClose"])
    if found != (expected, expected):
        return f"messages {found[0]}, close {found[1]}: see {reports / verdict['reportfile']}"
    return None


def run(name, example, options, sections):
    """Runs one selection against one server; how many cases there were, and what is wrong with which."""
    expected = selected(name, sections)
    reports = REPORTS / name
    with Server(example, *LIMITS, *options, profile="release") as server:
        found = asyncio.run(verdicts(server.address, expected, reports))
        late = [case for case, verdict in found.items() if verdict["duration"] >= CASE_MILLISECONDS]
        if late:
            print(f"cut off after {CASE_MILLISECONDS} ms, and run again: {', '.join(late)}")
            again = asyncio.run(verdicts(server.address, late, reports / "again"))
            found |= {case: {**one, "reportfile": f"again/{one['reportfile']}"} for case, one in again.items()}

    complaints = {case: why for case in expected if (why := complaint(case, found, reports))}
    complaints |= {case: "not asked for" for case in found if case not in expected}
    print(f"\n{example} {' '.join(options)}\nsection  cases  passed")
    for number in sections:
        cases = [case for case in expected if section(case) == number]
        passed = sum(case not in complaints for case in cases)
        print(f"{number:>7}  {len(cases):>5}  {passed:>6}")
        if not cases:
            complaints[f"{number}.*"] = "not in kosoku's index"
    for case, why in complaints.items():
        print(f"{case}: {why}")
    return len(expected), complaints


def main():
    expect_bytes()
    names = [name for name in sys.argv[1:] if name in RUNS] or RUNS
    done = [run(name, *RUNS[name]) for name in names]
    cases = sum(cases for cases, _ in done)
    failed = sum(len(complaints) for _, complaints in done)
    print(f"autobahn: {cases - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
