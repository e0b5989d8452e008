# SPDX-License-Identifier: BSD-3-Clause
"""Runs every bench and prints one table; writes the rows as JSON.

usage: run.py PROGRAM_FOLDER OUT.json [NAME...]

A bench is a program bench_NAME or a script tests/bench/NAME_bench.py that prints one JSON object a
line: {"name", "unit", "ours", "peer", "peer_name", "ratio", "goal"}. ratio is ours by the peer's,
both measured in the same run, alternating; goal is "<=0.65", ">=1.0" or null. Without a peer, peer
and ratio are null and "note" says why. What else a bench has to say goes to stderr."""
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

KEYS = ("name", "unit", "ours", "peer", "peer_name", "ratio", "goal")
SECONDS_MAX = 600


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}"


def benches(folder, names):
    """(name, command) of each bench, in the order of their names."""
    found = {p.name[6:]: [str(p)] for p in pathlib.Path(folder).glob("bench_*")
             if os.access(p, os.X_OK) and p.is_file()}
    for p in pathlib.Path("tests/bench").glob("*_bench.py"):
        found[p.name[:-9]] = [sys.executable, str(p)]
    return sorted((n, c) for n, c in found.items() if not names or n in names)


def met(row):
    """True, False, or None when that can't be said."""
    m = re.fullmatch(r"(<=|>=)\s*([0-9.]+)", row["goal"] or "")
    if m is None or row["ratio"] is None:
        return None
    goal = float(m.group(2))
    return row["ratio"] <= goal if m.group(1) == "<=" else row["ratio"] >= goal


def rows_of(name, command):
    """The rows of one bench, and whether it went well."""
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False,
                             timeout=SECONDS_MAX)
        rows = [json.loads(line) for line in run.stdout.splitlines() if line.strip()]
        rows = [{**dict.fromkeys(KEYS), **r} for r in rows]
        if run.returncode != 0:
            print(f"bench {name}: exit status {run.returncode}", file=sys.stderr)
        return rows, run.returncode == 0
    except (subprocess.TimeoutExpired, json.JSONDecodeError, OSError) as e:
        print(f"bench {name}: {e}", file=sys.stderr)
        return [], False


def number(v):
    return "-" if v is None else f"{v:,.0f}" if abs(v) >= 1000 else f"{v:.3g}"


def print_table(rows):
    head = ("what", "unit", "ours", "peer", "peer is", "ratio", "goal", "met")
    said = {True: "yes", False: "NO", None: "-"}
    cells = [head] + [(r["name"], r["unit"] or "", number(r["ours"]), number(r["peer"]),
                       r["peer_name"] or "-", number(r["ratio"]), r["goal"] or "-", said[met(r)])
                      for r in rows]
    wide = [max(len(c[i]) for c in cells) for i in range(len(head))]
    for c in cells:
        print("  ".join(c[i].rjust(wide[i]) if i in (2, 3, 5) else c[i].ljust(wide[i])
                        for i in range(len(head))).rstrip())
    for r in rows:
        if r.get("note"):
            print(f"{r['name']}: {r['note']}")


def main():
    folder, out, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    rows, bad = [], 0
    for name, command in benches(folder, names):
        print(f"  bench {name}", file=sys.stderr, flush=True)
        got, good = rows_of(name, command)
        rows += got
        bad += not good
    rows = [{**r, "machine": machine()} for r in rows]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print_table(rows)
    decided = [met(r) for r in rows]
    print(f"{machine()}\nbench: {len(rows)} rows, {decided.count(True)} goals met, "
          f"{decided.count(False)} not met, {decided.count(None)} undecided, {bad} failed; {out}")
    return 1 if bad else 0


sys.exit(main())
