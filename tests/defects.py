#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What dnsdist once did wrong, and what finds it.

Each defect of lib/defect.def's first block is brought back by the test-only build (MODE=defects)
and must be found: by a scenario, whose named expectation FAILs, and mostly by evenkeel search, too,
whose schedule is shrunk. The right build makes the same runs, and none of them may FAIL; nor may it
FAIL on the shrunk schedule, which the defective one must fail again. Virtual time; a table,
build/defects/defects.json, and the reproducers in build/defects/DEFECT.

  tests/defects.py [--seeds N] [--runs N] [--only REGEX] [--jobs N] [--no-search] [--out DIR]

Exit status: 0 when each is found and nothing right fails, else 1.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RIGHT = os.path.join(HOME, "build", "bin", "evenkeel")
WRONG = os.path.join(HOME, "build", "defects-gcc", "bin", "evenkeel")

# Defect: the scenario, and the expectation that must FAIL.
SCENARIOS = {
    "failures-add-up": ("scenarios/blips.lua", "even"),
    "check-rounds": ("scenarios/patient.lua", "detect"),
    "expiry-ticks": ("scenarios/late-answers.lua", "answers"),
    "refused-thrice": ("tests/defects/refused.lua", "detect"),
    "latency-reset": ("scenarios/least-return.lua", "overshoot"),
    "policy-before-cache": ("scenarios/balancer-cache.lua", "even"),
    "outstanding-drift": ("scenarios/least-return.lua", "policy"),
}

# Defect: the scenario, its faults, and the other options, of a search that finds it.
PATIENT, LEAST = "tests/defects/search-patient.lua", "tests/defects/search-least.lua"
SEARCHES = {
    "failures-add-up": (PATIENT, "blackhole", []),
    "check-rounds": (PATIENT, "kill,hang,blackhole", ["--max-faults", "4"]),
    "expiry-ticks": (PATIENT, "slow", []),
    "refused-thrice": (PATIENT, "kill", ["--max-faults", "4", "--set", "load.rate=100"]),
    "outstanding-drift": (LEAST, "hang,blackhole", ["--keep", "policy"]),
}


def historical():
    """The names of the first block of lib/defect.def."""
    with open(os.path.join(HOME, "lib", "defect.def"), encoding="utf-8") as f:
        block = f.read().split("/* -- historical */")[1].split("/* --", maxsplit=1)[0]
    return re.findall(r'^DEFECT\(\w+, "([a-z-]+)"', block, re.MULTILINE)


def evenkeel(program, command, args, defect, out):
    """Runs it; what it wrote, and how long it took."""
    words = [program, command] + args + ["--out", out] + (["--defect", defect] if defect else [])
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    done = subprocess.run(words, cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          encoding="utf-8", check=False)
    took = time.monotonic() - began
    name = "verdict.json" if command == "run" else "seeds.json"
    try:
        with open(os.path.join(out, name), encoding="utf-8") as f:
            return json.load(f), took
    except (OSError, ValueError):
        sys.exit("defects: %s: %s" % (" ".join(words), done.stderr.strip()))


def by_scenario(defect, o):
    path, kind = SCENARIOS[defect]
    args = ["--seeds", "1..%d" % o.seeds, "--jobs", str(o.jobs), path]
    out = os.path.join(o.out, defect)
    right, _ = evenkeel(RIGHT, "seeds", args, None, os.path.join(out, "right"))
    wrong, _ = evenkeel(WRONG, "seeds", args, defect, os.path.join(out, "wrong"))
    found = max(e["verdicts"]["FAIL"] for e in wrong["expectations"] if e["kind"] == kind)
    return {"scenario": path, "expectation": kind, "seeds": o.seeds, "found": found,
            "invalid": wrong["verdicts"]["INVALID"], "right": right["verdicts"],
            "right_fails": right["verdicts"]["FAIL"]}


def longest(out):
    """The failing run with the longest schedule."""
    with open(os.path.join(out, "seeds.jsonl"), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f][1:]
    return max((r for r in rows if r["signature"]), key=lambda r: r["events"])["seed"]


def shrink(defect, args, out):
    """The longest schedule that failed, made small; and what both builds say of what is left."""
    seed = longest(os.path.join(out, "search"))
    small, took = evenkeel(WRONG, "search", ["--runs", "1", "--seed", str(seed)] + args, defect,
                           os.path.join(out, "shrunk"))
    one = small["failures"][0]
    path = os.path.join(out, "shrunk", one["file"])
    again = [evenkeel(program, "run", ["--engine", "virtual", "--invariants", "--pcap", "none",
                                       path], d, os.path.join(out, "again"))[0]["verdict"]
             for program, d in ((WRONG, defect), (RIGHT, None))]
    return {"seed": seed, "signature": one["signature"], "events": one["events"],
            "shrunk": one["events_shrunk"], "tries": one["tries"], "seconds": round(took, 1),
            "file": os.path.relpath(path, HOME), "again": again[0], "right_again": again[1]}


def by_search(defect, o):
    path, faults, more = SEARCHES[defect]
    args = ["--faults", faults, "--jobs", str(o.jobs)] + more + [path]
    runs = ["--runs", str(o.runs)]
    out = os.path.join(o.out, defect)
    right, _ = evenkeel(RIGHT, "search", runs + args, None, os.path.join(out, "right-search"))
    wrong, _ = evenkeel(WRONG, "search", runs + args, defect, os.path.join(out, "search"))
    found = {"scenario": path, "faults": faults, "runs": o.runs,
             "found": wrong["verdicts"]["FAIL"], "right_fails": right["verdicts"]["FAIL"]}
    if found["found"] > 0:
        found.update(shrink(defect, args, out))
    return found


def holds(row):
    found = row.get("search")
    return (row["found"] > 0 and row["right_fails"] == 0 and
            (found is None or (found["found"] > 0 and found["right_fails"] == 0 and
                               found["again"] == "FAIL" and found["right_again"] != "FAIL")))


def tell(row):
    print("%-20s %-30s %-10s FAILs with %d of %d seeds, right with %d%s"
          % (row["defect"], row["scenario"], row["expectation"], row["found"], row["seeds"],
             row["right_fails"], "" if row["holds"] else "   <- doesn't hold"))
    s = row.get("search")
    if s is None:
        return
    print("%-20s search %-23s %-10s FAILs in %d of %d runs, right in %d"
          % ("", s["faults"], s.get("signature", "-").replace("claim: ", ""), s["found"],
             s["runs"], s["right_fails"]))
    if "file" in s:
        print("%-20s   shrunk from %d events to %d in %.1f s (%d runs): %s; again %s, right %s"
              % ("", s["events"], s["shrunk"], s["seconds"], s["tries"], s["file"], s["again"],
                 s["right_again"]))


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    a.add_argument("--seeds", type=int, default=100, help="of each scenario")
    a.add_argument("--runs", type=int, default=200, help="of each search")
    a.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    a.add_argument("--only", default="", metavar="REGEX", help="of the defects' names")
    a.add_argument("--no-search", action="store_true", help="scenarios alone")
    a.add_argument("--out", default=os.path.join(HOME, "build", "defects"), metavar="DIR")
    o = a.parse_args()
    o.out = os.path.abspath(o.out)
    return o


def main():
    o = arguments()
    rows, began = [], time.monotonic()
    missing = [d for d in historical() if d not in SCENARIOS]
    names = [d for d in SCENARIOS if re.search(o.only, d)]
    for n, defect in enumerate(names):
        print("%s (%d of %d)" % (defect, n + 1, len(names)), file=sys.stderr, flush=True)
        row = {"defect": defect, **by_scenario(defect, o)}
        if defect in SEARCHES and not o.no_search:
            row["search"] = by_search(defect, o)
        row["holds"] = holds(row)
        rows.append(row)
        tell(row)
        sys.stdout.flush()
    os.makedirs(o.out, exist_ok=True)
    with open(os.path.join(o.out, "defects.json"), "w", encoding="utf-8") as f:
        json.dump({"defects": rows, "missing": missing}, f, indent=1, sort_keys=True)
    for defect in missing:
        print("%-20s nothing looks for it" % defect)
    bad = len(missing) + sum(not row["holds"] for row in rows)
    print("defects: %d, %d found by a scenario, %d also by search, %d don't hold, %.0f s"
          % (len(rows), sum(r["found"] > 0 for r in rows),
             sum(r.get("search", {}).get("found", 0) > 0 for r in rows), bad,
             time.monotonic() - began))
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
