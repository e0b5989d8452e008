#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Is virtual time like real time? Runs scenarios in network namespaces and, with other seeds, in
virtual time, and compares what the judge measured by two-sample Kolmogorov-Smirnov tests, whose
p-values are exact counts of lattice paths (conservative where values are tied). All comparisons
together differ by chance with a probability of at most --level. Exit status: 0 all agree, 1 one
differs, 2 usage, 4 a scenario got no valid run in namespaces, 77 namespaces are refused.

What the namespaces' wire adds to a frame's way is the harness and not the system. So each run in
virtual time gets the median delay that the wire added in one of the runs in namespaces, in turn,
half of it on each of the two links that a frame crosses. Nor is how fast the machine of the day
wakes a program up, or starts one: each run in virtual time also gets how late the clients' timers
were in that run, how long its programs took to wake up, while nothing had happened yet, and how
long those that were started again took to be ready."""
import argparse
import fractions
import itertools
import json
import math
import multiprocessing
import multiprocessing.pool
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import model

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCENARIOS = ("blog", "blog-ipv6", "hang", "blackhole")
INVALID, CANT = 4, 77
QUIET_QUERIES = 3000  # are enough to tell how programs wake up
VIRTUAL_SEEDS = 1_000_000  # theirs begin above: never the same as in namespaces


# ---- two samples ----

def distance(a, b):
    """The greatest difference of the two empirical distributions, times len(a) * len(b)."""
    a, b, i, j, most = sorted(a), sorted(b), 0, 0, 0
    for v in sorted(set(a) | set(b)):
        while i < len(a) and a[i] <= v:
            i += 1
        while j < len(b) and b[j] <= v:
            j += 1
        most = max(most, abs(i * len(b) - j * len(a)))
    return most


def p_value(d, m, n):
    """P(distance >= d) of m and n values from one continuous distribution: the share of the lattice
    paths from (0, 0) to (m, n) that leave |i n - j m| < d. Ties make it too great."""
    inside = [1 if j * m < d else 0 for j in range(n + 1)]
    for j in range(1, n + 1):
        inside[j] &= inside[j - 1]
    for i in range(1, m + 1):
        for j in range(n + 1):
            left = inside[j - 1] if j > 0 else 0
            inside[j] = inside[j] + left if abs(i * n - j * m) < d else 0
    return 1 - fractions.Fraction(inside[n], math.comb(m + n, n))


# ---- what is compared ----

def number(value, none=math.inf):
    """None stands for a quantile that is a lost query, or for something that never came."""
    return none if value is None else value


def of_claim(e):
    """(name, value, unit) of what one expectation measured."""
    m = e["measured"]
    if e["kind"] in ("detect", "back"):
        which = "last_query_ns" if e["kind"] == "detect" else "first_query_ns"
        none = 0 if e["kind"] == "detect" else math.inf
        for b in m.get("balancers", []):  # detect's None: it was noticed before there was a query
            yield f"{e['kind']}, {b['name']}", number(b[which], none), "ms"
    if e["kind"] == "even":
        for s in m["servers"][:-1]:
            yield f"share of {s['name']}", s["share_ppm"], "%"
    if e["kind"] == "lost":
        for what in ("lost", "misrouted", "late"):
            yield what, m[what], ""
    if e["kind"] == "answers":
        for what in ("error", "truncated"):
            yield f"answers, {what}", m[what], ""
    if e["kind"] == "outage":
        yield "longest outage", m["longest_ns"], "ms"
    if e["kind"] == "cache":
        yield "from cache", m["share_ppm"], "%"


def measures(doc):
    """{name: (value, unit)} of a verdict document; a kind's second claim has its line's number."""
    found = {}
    for e in doc["expectations"]:
        for name, value, unit in of_claim(e):
            found[name if name not in found else f"{name}, line {e['line']}"] = value, unit
    for i, phase in enumerate(doc["phases"]):
        for q in ("p50", "p99"):
            value = phase["latency_us"][q]
            found[f"{q}, phase {i + 1}, {phase['what'].split()[0]}"] = number(value), "us"
    return found


def shown(value, unit):
    if value == math.inf:
        return "lost" if unit == "us" else "never"
    return {"ms": f"{value / 1e6:,.1f}", "%": f"{value / 1e4:.2f}"}.get(unit, f"{value:,.0f}")


# ---- runs ----

class NoRun(Exception):
    """There was no verdict; its argument is our exit status. Said by evenkeel already."""


def starts_us(run):
    """{role_start: how long its programs that a fault started took to be ready, in the median}"""
    role = {n["name"]: n["role"] for n in run.plan["node"]}
    took = {}
    for e in run.of("fault"):
        if e["kind"] == "start" and e["verified"]:
            took.setdefault(f"{role[e['node']]}_start", []).append(
                (e["to_ns"] - e["from_ns"]) // 1000)
    return {what: statistics.median_low(v) for what, v in took.items()}


def quiet_ns(run):
    """Until when nothing has happened but load, and no longer than is needed to tell."""
    rate = sum(load.get("rate_mqps", 0) for load in run.plan["load"]) / 1000 or 1000
    return min([QUIET_QUERIES * 1e9 / rate] + [f["at_ns"] for f in run.plan["fault"]])


def machine_us(out):
    """{key of lab: what a run in namespaces tells of the programs on its machine}"""
    run = model.Run(out)
    return starts_us(run) | model.wakes_us(run, quiet_ns(run))


def evenkeel(options, out, name, *args):
    """Makes a run; its exit status and verdict document, with what it tells of its machine, or
    None. Nothing of it is kept."""
    scenario = ROOT / "scenarios" / f"{name}.lua"
    done = subprocess.run([options.bin, "run", "--out", out, *map(str, args), scenario],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    path = out / "verdict.json"
    doc = json.loads(path.read_text()) if path.is_file() else None
    if doc is not None and doc["engine"] == "netns":
        doc["machine_us"] = machine_us(out)
    shutil.rmtree(out, ignore_errors=True)
    if doc is None:
        print(f"fidelity: {done.stderr.strip()}", file=sys.stderr)
    return done.returncode, doc


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def netns_run(options, name, seed):
    """A valid run's document, and how many before it were INVALID; None when all were."""
    kept = options.dir / f"{name}-{seed}.json"
    if options.reuse and kept.is_file():
        return json.loads(kept.read_text()), 0
    for n in range(options.again + 1):
        status, doc = evenkeel(options, options.dir / f"run-{name}-{seed}", name, "--seed", seed,
                               *options.patience)
        if status == CANT or doc is None:
            raise NoRun(CANT if status == CANT else 2)
        if status != INVALID:
            kept.write_text(json.dumps(doc))
            return doc, n
    return None, options.again + 1


def in_namespaces(options, name):
    """The documents of the valid runs, and how many runs were INVALID."""
    docs, invalid, seeds = [], 0, range(1, options.netns + 1)
    with multiprocessing.pool.ThreadPool(options.labs) as pool:
        for i, (doc, n) in enumerate(pool.imap(lambda s: netns_run(options, name, s), seeds), 1):
            docs += [doc] if doc is not None else []
            invalid += n
            progress(f"{name}: {i} of {options.netns} runs in namespaces, {invalid} INVALID")
    return docs, invalid


def plan_of(options, name):
    done = subprocess.run([options.bin, "plan", "--json", ROOT / "scenarios" / f"{name}.lua"],
                          capture_output=True, check=True)
    return json.loads(done.stdout)


def of_both_engines(options):
    """The names of the scenarios that both engines run, the shortest first."""
    plans = {p.stem: plan_of(options, p.stem) for p in (ROOT / "scenarios").glob("*.lua")}
    names = [n for n, p in plans.items() if p["for_netns"] and p["for_virtual"]]
    return sorted(names, key=lambda n: (plans[n]["end_ns"], n))


def link_delays_ns(options, name):
    """{key of --set: the delay that a scenario gives the links that it rules}"""
    nodes = {n["name"]: n["link"]["delay_ns"] for n in plan_of(options, name)["node"]}
    delays = set(nodes.values())
    if len(delays) == 1:
        return {"lab.links.delay": delays.pop()}
    return {f"lab.links.{node}.delay": delay for node, delay in nodes.items()}


def machine_of(doc, delays):
    """What a run in virtual time is told of the machine that a run in namespaces was on."""
    added_ns = doc["harness"]["wire_delay_p50_us"] * 500
    links = [f"{key}={delay + added_ns}ns" for key, delay in delays.items()]
    programs = [f"lab.{what}={us}us" for what, us in doc["machine_us"].items()]
    return [*links, f"lab.wake={doc['harness']['send_late_p50_us']}us", *programs]


def virtual_run(work):
    options, name, k, machine = work
    _, doc = evenkeel(options, options.dir / f"virtual-{k}", name, "--engine", "virtual", "--pcap",
                      "none", "--seed", VIRTUAL_SEEDS + k,
                      *(a for v in machine for a in ("--set", v)))
    return doc


def in_virtual_time(options, pool, name, real):
    delays = link_delays_ns(options, name)
    machines = itertools.cycle([machine_of(d, delays) for d in real])
    work = [(options, name, k, m) for k, m in zip(range(options.virtual), machines)]
    docs = []
    for doc in pool.imap_unordered(virtual_run, work):
        docs.append(doc)
        progress(f"{name}: {len(docs)} of {options.virtual} runs in virtual time")
    if None in docs:
        sys.exit(2)
    return docs


# ---- the table ----

def columns(values, unit):
    v = sorted(values)
    return [shown(x, unit) for x in (v[0], v[len(v) // 2], v[-1])]


def compare(name, real, virtual):
    """Rows without a verdict: (name, measure, unit, values, values, D, p)."""
    for what, (_, unit) in measures(real[0]).items():
        a, b = ([measures(d)[what][0] for d in docs] for docs in (real, virtual))
        d = distance(a, b)
        yield name, what, unit, a, b, d / (len(a) * len(b)), p_value(d, len(a), len(b))


def table(rows, level):
    """Prints it; the number of rows that differ."""
    head = ["scenario", "measure", "unit", "netns min", "median", "max", "virtual min", "median",
            "max", "D", "p", "verdict"]
    cells, differ = [head], 0
    for name, what, unit, a, b, d, p in rows:
        bad = p <= fractions.Fraction(level).limit_denominator(10**18) / len(rows)
        differ += bad
        cells.append([name, what, unit, *columns(a, unit), *columns(b, unit), f"{d:.2f}",
                      f"{float(p):.1e}", "DIFFER" if bad else "agree"])
    wide = [max(len(c[i]) for c in cells) for i in range(len(head))]
    for c in cells:
        print("  ".join(v.rjust(w) if 3 <= i < 11 else v.ljust(w)
                        for i, (v, w) in enumerate(zip(c, wide))).rstrip())
    return differ


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--netns", type=int, default=20, metavar="N", help="runs in namespaces (20)")
    p.add_argument("--virtual", type=int, default=1000, metavar="N",
                   help="runs in virtual time (1000)")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                   help="virtual runs at once (one a processor)")
    p.add_argument("--labs", type=int, default=1, metavar="N",
                   help="runs in namespaces at once (1); more of them wait for each other")
    p.add_argument("--again", type=int, default=5, metavar="N",
                   help="how often an INVALID run is run again (5)")
    p.add_argument("--level", type=float, default=1e-6,
                   help="probability of any false DIFFER (1e-6)")
    p.add_argument("--reuse", action="store_true",
                   help="take runs in namespaces that are in DIR already")
    p.add_argument("--patient", action="store_true",
                   help="late queries don't make a run INVALID: for smoke tests on busy machines")
    p.add_argument("--dir", type=pathlib.Path, default=ROOT / "build" / "fidelity", metavar="DIR")
    p.add_argument("--bin", default=str(ROOT / "build" / "bin" / "evenkeel"), metavar="PROG",
                   help="the evenkeel to run")
    p.add_argument("--all", action="store_true",
                   help="every scenario that both engines run: seven hours, divided by --labs")
    p.add_argument("scenario", nargs="*", default=SCENARIOS, help="default: " + " ".join(SCENARIOS))
    options = p.parse_args()
    if options.all:
        options.scenario = of_both_engines(options)
    counts = options.netns, options.virtual, options.jobs, options.labs
    if min(counts) < 1 or not 0 < options.level < 1:
        p.error("expected counts of at least 1 and a level between 0 and 1")
    limits = ("send_late_p999=1s", "send_late_max=5s", "loop_gap=1s")
    options.patience = [a for v in limits if options.patient for a in ("--set", f"limits.{v}")]
    return options


def main():
    options = arguments()
    options.dir.mkdir(parents=True, exist_ok=True)
    rows, notes = [], []
    with multiprocessing.Pool(options.jobs) as pool:
        for name in options.scenario:
            real, invalid = in_namespaces(options, name)
            if not real:
                print(f"fidelity: {name}: every run was INVALID", file=sys.stderr)
                return INVALID
            virtual = in_virtual_time(options, pool, name, real)
            rows += compare(name, real, virtual)
            added, late = ([d["harness"][f] for d in real]
                           for f in ("wire_delay_p50_us", "send_late_p50_us"))
            notes.append(f"{name}: {len(real)} runs in namespaces ({invalid} INVALID ones were run "
                         f"again), {len(virtual)} in virtual time")
            notes.append(f"  in namespaces the wire added {min(added)} to {max(added)} us to a "
                         f"frame's way, and timers were {min(late)} to {max(late)} us late (p50); "
                         "so they are in virtual time")
    progress("")
    print("\n".join(notes), end="\n\n")
    differ = table(rows, options.level)
    least = min(p_value(len(a) * len(b), len(a), len(b)) for *_, a, b, _, _ in rows)
    print(f"\n{len(rows)} comparisons, {differ} differ; by chance any would with a probability of "
          f"at most {options.level:g}.")
    if least > options.level / len(rows):
        print(f"So few runs can't show a difference: the least p there is is {float(least):.1e}.")
    return 1 if differ else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoRun as e:
        sys.exit(e.args[0])
