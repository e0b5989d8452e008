#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The matrix: fault by policy by expectation, each cell both ways.

Each pair of fault and policy is one scenario, made here and written to build/matrix. It is run with
many seeds twice and more: on the right system, where every expectation must PASS with every seed,
and on the system that has the defect named for an expectation (MODE=defects), where that
expectation must FAIL. Virtual time; a table, and build/matrix/matrix.json.

  tests/matrix.py [--seeds N] [--wrong N] [--only REGEX] [--jobs N] [--list]

Exit status: 0 when each cell holds both ways, else 1.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(HOME, "build", "matrix")
RIGHT = os.path.join(HOME, "build", "bin", "evenkeel")
WRONG = os.path.join(HOME, "build", "defects-gcc", "bin", "evenkeel")

# With a defect most seeds FAIL; a few may have had no occasion.
CAUGHT = 0.95

HEAD = """setLocal("0.0.0.0:53")
setACL({"192.160.102.0/24"})
"""

# What a policy's configuration says of its two servers, and besides.
POLICIES = {
    "wrandom": ("", "", ""),
    "roundrobin": ("", "", ""),
    "orderedWrandUntag": ("", "", ""),
    "leastOutstanding": ("", "", ""),
    "firstAvailable": ("order=1", "order=2", ""),
    "whashed": ("", "", "setWHashedPertubation(1)\n"),
    "chashed": ('weight=1000, id="one"', 'weight=1000, id="three"', "setWHashedPertubation(1)\n"),
}

# What must hold where the policy is followed, and the defect that it is broken by.
FOLLOWED = {
    "wrandom": ('even { "DNS1", "DNS3", catch = 0.2 }', "weights=80"),
    "orderedWrandUntag": ('even { "DNS1", "DNS3", catch = 0.2 }', "weights=80"),
    "roundrobin": ('even { "DNS1", "DNS3" }', "roundrobin-skips=50000"),
    "leastOutstanding": ("policy {}", "least-ignores-outstanding"),
    "firstAvailable": ("policy {}", "order-ignored"),
    "whashed": ("policy {}", "sticky-names=50000"),
    "chashed": ("policy {}", "sticky-names=50000"),
}

LOST_0 = ("lost { at_most = 0 }", "id-reuse=2")
LOST = ('lost { at_most = "model" }', "health-off")
ANSWERS = ("answers { wrong = 0, duplicate = 0 }", "wrong-data=50")
LATENCY = ('latency { quantile = 0.6, within = "5ms" }', "cache-off")
CACHE = ('cache { hits = 0.5, within = "1ms" }', "cache-off")
FLAPS = ('flaps { "DNS1", "DNS3" }', "checks-lost=3")
DETECT = ('detect { "DNS1" }', "health-off")
BACK = ('back { "DNS1", within = "3s" }', "never-back")
OUTAGE = ("outage {}", "health-off")
HERD = ('overshoot { "DNS1", at_most = 0.95 }', "herd=100")


def silence(begin, end):
    """A recursor that is away for seven seconds."""
    return ['at "3s" { %s }' % begin, 'at "10s" { %s }' % end]


# Timeline; what is claimed besides the policy; whether the policy's own claim bears it.
FAULTS = {
    "none": ([], [LOST_0, ANSWERS, CACHE, LATENCY, FLAPS], True),
    "kill": (silence('kill = "DNS1"', 'start = "DNS1"'),
             [DETECT, BACK, LOST, ANSWERS, FLAPS, HERD], True),
    "hang": (silence('hang = "DNS1"', 'resume = "DNS1"'),
             [DETECT, BACK, LOST, ANSWERS, FLAPS], True),
    "blackhole": (silence('blackhole = "DNS1"', 'heal = "DNS1"'),
                  [DETECT, BACK, LOST, ANSWERS, FLAPS], True),
    "cut-in": (silence('cut = "DNS1", way = "in"', 'heal = "DNS1"'),
               [DETECT, BACK, LOST, ANSWERS], True),
    "cut-out": (silence('cut = "DNS1", way = "out"', 'heal = "DNS1"'),
                [DETECT, BACK, LOST, ANSWERS], True),
    "both": (['at "3s" { kill = "DNS1" }', 'at "3s" { kill = "DNS3" }',
              'at "8s" { start = "DNS1" }'],
             [("back { \"DNS1\", within = \"3s\" }", "never-back"), ANSWERS,
              ("outage {}", "never-back")], False),
    "loss": (['at "3s" { loss = "DNS1", ratio = 0.3 }', 'at "10s" { heal = "DNS1" }'],
             [ANSWERS], False),
    "delay": (['at "3s" { delay = "DNS1", by = "20ms" }', 'at "10s" { heal = "DNS1" }'],
              [LOST_0, ANSWERS, FLAPS], True),
    "jitter": (['at "3s" { jitter = "DNS1", by = "5ms" }',
                'at "4s" { reorder = "DNS1", ratio = 0.2, by = "3ms" }',
                'at "10s" { heal = "DNS1" }'],
               [LOST_0, ANSWERS, FLAPS], True),
    "duplicate": (['at "3s" { duplicate = "DNS1", ratio = 0.3 }', 'at "10s" { heal = "DNS1" }'],
                  [LOST_0, ("answers { wrong = 0, duplicate = 0 }", "answer-twice=50"), FLAPS],
                  False),
    "servfail": (['at "3s" { servfail = "DNS1" }', 'at "10s" { servfail = "DNS1", ratio = 0 }'],
                 [("lost { at_most = 0 }", "servfail-lost"),
                  ("answers { wrong = 0, error = 550 }", "health-off")], False),
    "slow": (['at "3s" { slow = "DNS1", by = "100ms" }',
              'at "10s" { slow = "DNS1", ratio = 0, by = "100ms" }'],
             [LOST_0, ANSWERS, FLAPS], True),
    "deaf": (['at "3s" { drop = "DNS1", spare = "checks" }',
              'at "10s" { drop = "DNS1", ratio = 0 }'],
             [ANSWERS, FLAPS], False),
    "blip": (['at "3s" { kill = "DNS1" }', 'at "3300ms" { start = "DNS1" }'],
             [ANSWERS], True),
    "balancer": (['at "3s" { kill = "LB1" }', 'at "10s" { start = "LB1" }'],
                 [('failover { "LB1" }', "client-never-retries"),
                  ("lost { at_most = \"model\" }", "client-never-retries"), ANSWERS], False),
}

# Claims that a policy doesn't bear, or whose defect doesn't touch it: under leastOutstanding a dead
# server piles queries up and is avoided, checked or not; under the hashes names decide what comes
# back, which 'policy' judges; roundrobin takes turns among all when none is up.
NOT = {
    ("leastOutstanding", "lost"), ("whashed", "back"), ("chashed", "back"),
    ("leastOutstanding", "overshoot"), ("firstAvailable", "overshoot"), ("whashed", "overshoot"),
    ("chashed", "overshoot"), ("roundrobin", "overshoot"),
    ("leastOutstanding", "back"),
}


NOT_WITH = {
    ("roundrobin", "both", "back"), ("roundrobin", "both", "outage"),
}


def borne(policy, fault, kind):
    return (policy, kind) not in NOT and (policy, fault, kind) not in NOT_WITH


def cells(policy, fault):
    """(kind, text, defect) of each claim of the pair."""
    timeline, claims, bears = FAULTS[fault]
    claims = ([FOLLOWED[policy]] if bears else []) + claims
    return [(text.split()[0], text, defect) for text, defect in claims
            if borne(policy, fault, text.split()[0])]


def write(policy, fault):
    one, three, more = POLICIES[policy]
    stem = os.path.join(OUT, "%s-%s" % (fault, policy))
    with open(stem + ".conf", "w", encoding="utf-8") as f:
        f.write(HEAD + "".join('newServer{address="192.0.2.%d", name="DNS%d"%s}\n'
                               % (a, n, ", " + keys if keys else "")
                               for a, n, keys in ((3, 1, one), (4, 3, three))))
        f.write(more + "setServerPolicy(%s)\n" % policy)
    retry = fault == "balancer"
    with open(stem + ".lua", "w", encoding="utf-8") as f:
        f.write('lab {\n  balancers = { LB1 = { "192.160.102.2" }, LB2 = { "192.160.102.3" },\n'
                '    config = "%s.conf" },\n' % os.path.basename(stem) +
                '  recursors = { "DNS1", "DNS3", config = "matrix.recursor", miss = "20ms" },\n'
                '  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },\n'
                '  links = { delay = "50us" },\n}\n'
                'load { rate = 200, to = "14s", names = zipf(300),\n'
                '       timeout = "500ms", tries = %d }\n'
                % (2 if retry else 1))
        f.write("\n".join(FAULTS[fault][0]) + "\nexpect {\n")
        f.write("".join("  %s,\n" % text for _, text, _ in cells(policy, fault)) + "}\n")
    return stem + ".lua"


def write_recursor():
    with open(os.path.join(OUT, "matrix.recursor"), "w", encoding="utf-8") as f:
        f.write("allow-from=192.160.102.0/24\nlocal-address=0.0.0.0\n")


def sweep(program, scenario, seeds, jobs, defect=None):
    """Verdicts by kind of claim, and of whole runs."""
    out = scenario[:-4] + (".right" if defect is None else "." + defect.split("=")[0])
    command = [program, "seeds", scenario, "--seeds", "1..%d" % seeds, "--jobs", str(jobs),
               "--out", out] + (["--defect", defect] if defect else [])
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          encoding="utf-8", check=False)
    try:
        with open(os.path.join(out, "seeds.json"), encoding="utf-8") as f:
            all_ = json.load(f)
    except (OSError, ValueError):
        sys.exit("matrix: %s: %s" % (" ".join(command), done.stderr.strip()))
    return {e["kind"]: e["verdicts"] for e in all_["expectations"]}, all_["verdicts"]


def cell_holds(cell, o):
    return cell["right"]["PASS"] == o.seeds and cell["wrong"]["FAIL"] >= CAUGHT * o.wrong


def run_pair(policy, fault, o):
    scenario = write(policy, fault)
    right, whole = sweep(RIGHT, scenario, o.seeds, o.jobs)
    wrong = {}
    found = []
    for kind, _, defect in cells(policy, fault):
        if defect not in wrong:
            wrong[defect] = sweep(WRONG, scenario, o.wrong, o.jobs, defect)[0]
        cell = {"fault": fault, "policy": policy, "expectation": kind, "defect": defect,
                "right": right[kind], "wrong": wrong[defect][kind]}
        cell["holds"] = cell_holds(cell, o)
        found.append(cell)
        print("%-10s %-18s %-9s %5d PASS of %d | %-26s %5d FAIL of %d%s"
              % (fault, policy, kind, right[kind]["PASS"], o.seeds, defect,
                 wrong[defect][kind]["FAIL"], o.wrong,
                 "" if cell["holds"] else "   <- doesn't hold"), flush=True)
    if whole["FAIL"] or whole["INVALID"]:
        print("%-10s %-18s whole runs: %s" % (fault, policy, whole))
    return found


def grid(found):
    """Fault by policy: how many of the claims hold both ways."""
    print("\n%-10s" % "" + "".join("%-19s" % p for p in POLICIES))
    for fault in FAULTS:
        row = ""
        for policy in POLICIES:
            mine = [c for c in found if c["fault"] == fault and c["policy"] == policy]
            good = sum(c["holds"] for c in mine)
            row += "%-19s" % ("" if not mine else "%d of %d hold" % (good, len(mine)))
        if row.strip():
            print("%-10s%s" % (fault, row))


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    a.add_argument("--seeds", type=int, default=1000)
    a.add_argument("--wrong", type=int, help="seeds of the wrong systems (as many)")
    a.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    a.add_argument("--only", default="", metavar="REGEX", help="of FAULT-POLICY")
    a.add_argument("--list", action="store_true", help="the cells, and nothing is run")
    o = a.parse_args()
    o.wrong = o.wrong or o.seeds
    return o


def main():
    o = arguments()
    os.makedirs(OUT, exist_ok=True)
    write_recursor()
    pairs = [(p, f) for f in FAULTS for p in POLICIES if re.search(o.only, "%s-%s" % (f, p))]
    if o.list:
        for policy, fault in pairs:
            for kind, text, defect in cells(policy, fault):
                print("%-10s %-18s %-9s %-26s %s" % (fault, policy, kind, defect, text))
        return 0
    began, found = time.monotonic(), []
    for policy, fault in pairs:
        found += run_pair(policy, fault, o)
    grid(found)
    with open(os.path.join(OUT, "matrix.json"), "w", encoding="utf-8") as f:
        json.dump({"seeds": o.seeds, "wrong": o.wrong, "cells": found}, f, indent=1, sort_keys=True)
    bad = sum(not c["holds"] for c in found)
    print("\nmatrix: %d cells, %d seeds right and %d wrong, %d don't hold, %.0f s"
          % (len(found), o.seeds, o.wrong, bad, time.monotonic() - began))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
