"""Runs a test module of CPython 3.11 against the ported servers: python3.11 run_cpython_test.py MODULE NODE SERVE_JS

Owns which server of which module is replaced, which tests there are, and the report. Every test that expected.json
names must pass, skips included in what is no pass; those that it says are not applicable are named with the reason.
The last line is "RESULT " and the counts as JSON. Exit status: 0, 1 when a test failed or is missing, 2 when this
Python cannot be used.
"""

import importlib
import json
import os
import sys
import unittest
import warnings

NEEDED = (3, 11)


def unusable(reason):
    print(f"run_cpython_test: needs CPython 3.11 and its test package; {sys.executable} is "
          f"{sys.version.split()[0]}: {reason}", file=sys.stderr)
    raise SystemExit(2)


def load(name):
    if sys.version_info[:2] > NEEDED:
        unusable("asyncore, asynchat and smtpd were removed in 3.12, and the tests carry servers of their own")
    if sys.version_info[:2] < NEEDED:
        unusable("its tests are not those that expected.json names")
    try:
        return importlib.import_module(f"test.{name}")
    except ModuleNotFoundError as error:
        unusable(f"{error} (Debian: libpython3.11-testsuite)")


def flat(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flat(each)
        else:
            yield each


def label(test):
    return test.id().split(".", 2)[2]


class Result(unittest.TextTestResult):
    """Remembers which tests passed, and which of them had a ported server."""

    process = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passed = []
        self.served = []

    def startTest(self, test):
        self._starts = self.process.starts
        super().startTest(test)

    def addSuccess(self, test):
        self.passed.append(label(test))
        super().addSuccess(test)

    def stopTest(self, test):
        if self.process.starts > self._starts:
            self.served.append(label(test))
        super().stopTest(test)


def run(module, expected, process):
    """Runs what is applicable, and reports. @returns whether all that is expected passed"""
    excluded = expected["notApplicable"]
    tests = list(flat(unittest.defaultTestLoader.loadTestsFromModule(module)))
    chosen = [test for test in tests if label(test) not in excluded and label(test).split(".")[0] not in excluded]
    left_out = [label(test) for test in tests if test not in chosen]
    Result.process = process
    runner = unittest.TextTestRunner(stream=sys.stderr, resultclass=Result, verbosity=1)
    result = runner.run(unittest.TestSuite(chosen))
    for name, reason in sorted(excluded.items()):
        count = sum(1 for each in left_out if each == name or each.startswith(f"{name}."))
        print(f"not applicable: {name} ({count}): {reason}")
    for name, reason in result.skipped:
        print(f"skipped: {label(name)}: {reason}")
    missing = sorted(set(expected["tests"]) - set(result.passed))
    for name in missing:
        print(f"expected, and did not pass: {name}")
    for name in sorted(set(result.passed) - set(expected["tests"])):
        print(f"not in expected.json, and passed: {name}")
    print(f"{module.__name__}: {len(result.passed)} of {len(chosen)} passed, {len(result.served)} of them with the "
          f"ported server; {len(left_out)} not applicable; expected {len(expected['tests'])}")
    counts = {"passed": sorted(result.passed), "served": len(result.served), "notApplicable": len(left_out)}
    ended = process.end()
    if ended != 0:
        print(f"the process of the servers ended with {ended}")
    print("RESULT", json.dumps(counts))
    return result.wasSuccessful() and not result.skipped and not missing and ended == 0


def main(name, node, script):
    warnings.simplefilter("ignore", DeprecationWarning)
    module = load(name)
    from ported import Process, Remote
    from replacements import REPLACEMENTS
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.json"), encoding="utf-8") as file:
        expected = json.load(file)[name]
    process = Remote.process = Process(node, script)
    try:
        REPLACEMENTS[name](module)
        return 0 if run(module, expected, process) else 1
    except BaseException:
        process.end()
        raise


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
