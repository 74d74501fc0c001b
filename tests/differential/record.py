#!/usr/bin/env python3
"""Records what CPython's asyncore and asynchat do in the scenarios. Needs Python 3.11 or older, and nothing else.

    python3 tests/differential/record.py --check     compares with the recordings; exit status 1 where they differ
    python3 tests/differential/record.py --write     records anew
    python3 tests/differential/record.py --print     prints what is recorded now, as JSON

Names of scenarios (or how they begin) may follow: only those are played then. README.md says what a scenario is.
"""

import argparse
import json
import sys
import warnings

from pathlib import Path

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE / "scenarios"
RECORDED = HERE / "recorded"
POLLERS = {"select": False, "poll": True}


def expand(scenario):
    """A scenario for each family, and each value of what varies. Twin of scenario.ts."""
    families = scenario.get("families")
    for family in families or [scenario.get("family", "IPv4")]:
        named = dict(scenario, family=family)
        if families is not None:
            named["id"] = "%s/%s" % (scenario["id"], family)
        if "vary" not in scenario:
            yield named
            continue
        for name, values in scenario["vary"].items():
            for label, value in values.items() if isinstance(values, dict) else zip(values, values):
                yield substitute(dict(named, id="%s/%s" % (named["id"], label)), "$" + name, value)


def substitute(node, name, value):
    if isinstance(node, dict):
        return {str(value) if key == name else key: substitute(inner, name, value) for key, inner in node.items()}
    if isinstance(node, list):
        return [substitute(inner, name, value) for inner in node]
    return value if node == name else node


def read_scenarios(path, chosen):
    for scenario in json.loads(path.read_text()):
        for each in expand(scenario):
            if not chosen or any(each["id"].startswith(name) for name in chosen):
                yield each


def read_recording(path):
    """Traces by scenario and poller; none where nothing is recorded."""
    if not path.exists():
        return {}
    return {
        identity: {poller: traces.get("both", traces.get(poller)) for poller in POLLERS}
        for identity, traces in json.loads(path.read_text()).items()
    }


def record(path, chosen, known):
    from player import Player

    recording = {}
    for scenario in read_scenarios(path, chosen):
        recording[scenario["id"]] = {}
        for poller, use_poll in POLLERS.items():
            trace = known.get(scenario["id"], {}).get(poller)
            expected = None if trace is None else [len(segment) for segment in trace]
            try:
                recording[scenario["id"]][poller] = Player(scenario, use_poll, expected).play()
            except Exception as error:
                raise RuntimeError("%s (%s): %r" % (scenario["id"], poller, error)) from error
    return recording


def format_recording(recording):
    """One line a segment, so that a change of a recording can be read."""
    blocks = []
    for identity, traces in recording.items():
        same = traces["select"] == traces["poll"]
        shown = {"both": traces["select"]} if same else traces
        inner = ",\n".join(
            '    "%s": [\n%s\n    ]' % (poller, ",\n".join("      " + json.dumps(segment) for segment in trace))
            for poller, trace in shown.items()
        )
        blocks.append("  %s: {\n%s\n  }" % (json.dumps(identity), inner))
    return "{\n%s\n}\n" % ",\n".join(blocks)


def compare(recorded, fresh):
    """Where the two differ, in lines."""
    for identity, traces in fresh.items():
        for poller, trace in traces.items():
            old = recorded.get(identity, {}).get(poller)
            if old == trace:
                continue
            yield "%s (%s)" % (identity, poller)
            yield "  recorded: %s" % json.dumps(old)
            yield "  now:      %s" % json.dumps(trace)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("check", "write", "print"):
        mode.add_argument("--" + name, action="store_true")
    parser.add_argument("scenario", nargs="*")
    options = parser.parse_args()
    if options.write and options.scenario:
        parser.error("--write records everything")

    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore", DeprecationWarning)

    everything = {}
    differences = []
    for path in sorted(SCENARIOS.glob("*.json")):
        target = RECORDED / path.name
        recorded = read_recording(target)
        fresh = record(path, options.scenario, {} if options.write else recorded)
        everything.update(fresh)
        if options.write:
            target.write_text(format_recording(fresh))
        elif options.check:
            differences.extend(compare(recorded, fresh))
            if not options.scenario:
                differences.extend("%s is no scenario any more" % name for name in recorded if name not in fresh)
    if options.print:
        json.dump(everything, sys.stdout)
    for line in differences:
        print(line)
    if options.check:
        print("%d scenarios, %s" % (len(everything), "with differences" if differences else "all as recorded"))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
