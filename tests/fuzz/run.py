# SPDX-License-Identifier: BSD-3-Clause
"""Runs each fuzz target on a copy of its corpus and prints executions and coverage; then runs the
build with the planted bugs and shows that each target finds one within a minute.

usage: run.py SECONDS CLEAN_BUILD PLANT_BUILD TARGET..."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

PLANT_SECONDS = 60
CORPUS = pathlib.Path("tests/fuzz/corpus")
CRASHES = pathlib.Path("build/fuzz-crashes")


def fuzz(program, name, seconds, crashes):
    """Runs one target. Returns its exit status, output and wall seconds."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as tmp:
        work = pathlib.Path(tmp) / "corpus"
        if (CORPUS / name).is_dir():
            shutil.copytree(CORPUS / name, work)
        else:
            work.mkdir()
        crashes.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        run = subprocess.run([program, f"-max_total_time={seconds}", "-print_final_stats=1",
                              "-timeout=10", "-rss_limit_mb=2048", "-verbosity=1", "-seed=1",
                              f"-artifact_prefix={crashes}/{name}-", work],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", check=False, timeout=seconds + 120)
        return run.returncode, run.stdout, time.monotonic() - start


def last(pattern, text, default="?"):
    found = re.findall(pattern, text)
    return found[-1] if found else default


def reason(out):
    """What a crash was, in one line."""
    for pattern in (r"(\S+:\d+: broken invariant: .*)", r"(\S+:\d+:\d+: runtime error: .*)"):
        m = re.search(pattern, out)
        if m:
            return m.group(1)
    return last(r"SUMMARY: \w+: (\S+)", out, "ended without a word")


def clean(build, name, seconds):
    status, out, _ = fuzz(build / f"fuzz/fuzz_{name}", name, seconds, CRASHES)
    runs = last(r"stat::number_of_executed_units:\s*(\d+)", out)
    edges = last(r"\((\d+) inline 8-bit counters\)", out)
    covered = last(r"\bcov: (\d+)", out)
    inputs = len(list((CORPUS / name).glob("*")))
    line = (f"  {'ok  ' if status == 0 else 'FAIL'}  {name:<12} {runs:>10} executions  "
            f"{covered:>5} of {edges} edges  {inputs:>3} corpus files")
    if status != 0:
        line += f"\n        {reason(out)}\n        input kept in {CRASHES}"
    return status == 0, line


def planted(build, name):
    with tempfile.TemporaryDirectory(prefix="plant-") as tmp:
        status, out, took = fuzz(build / f"fuzz/fuzz_{name}", name, PLANT_SECONDS,
                                 pathlib.Path(tmp))
    if status == 0 or took > PLANT_SECONDS:
        return False, f"  FAIL  {name:<12} planted bug not found in {PLANT_SECONDS} s"
    return True, f"  ok    {name:<12} planted bug found in {took:5.1f} s: {reason(out)}"


def all_of(what, names):
    """Runs what(name) for all, as many at once as there are processors. Returns failures."""
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for good, line in pool.map(what, names):
            print(line, flush=True)
            bad += not good
    return bad


def main():
    seconds, build, plant = int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    names = sys.argv[4:]
    print(f"fuzz: {len(names)} targets, {seconds} s each")
    bad = all_of(lambda n: clean(build, n, seconds), names)
    print("planted bugs (EK_PLANT):")
    bad += all_of(lambda n: planted(plant, n), names)
    print(f"fuzz: {len(names)} targets, {bad} failures")
    return 1 if bad or not names else 0


if __name__ == "__main__":
    sys.exit(main())
