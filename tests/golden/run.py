# SPDX-License-Identifier: BSD-3-Clause
"""Golden verdicts: each case is a captured run, whole or damaged in one way, and its verdict.json
must come out byte for byte as tests/golden/judge/CASE.json has it. With --update the golden files
are written anew and the difference is shown."""
import difflib
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/judge"
EVENKEEL = ROOT / "build/bin/evenkeel"
STATUS = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "INVALID": 4}


def cut_pcap(run):
    path = run / "DNS3.pcap"
    path.write_bytes(path.read_bytes()[:-1])


def drop_pcap(run):
    (run / "LB2.pcap").unlink()


def replace(run, name, old, new):
    text = (run / name).read_text(encoding="utf-8")
    assert old in text, f"{name} lacks {old}"
    (run / name).write_text(text.replace(old, new), encoding="utf-8")


def unverify(run):
    replace(run, "events.jsonl", '"verified":true', '"verified":false')


def stop_early(run):
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if '"end"' not in line]
    assert len(kept) == len(lines) - 1
    (run / "events.jsonl").write_text("".join(kept), encoding="utf-8")


CASES = [  # golden file, captured run, what is done to it, verdict
    ("small", "small", None, "PASS"),
    ("small-cut", "small", cut_pcap, "INVALID"),
    ("small-missing", "small", drop_pcap, "INVALID"),
    ("small-unverified", "small", unverify, "INVALID"),
    ("small-stopped", "small", stop_early, "INVALID"),
]


def judge(run):
    """Exit status and verdict.json of one directory, judged twice."""
    both = []
    for _ in range(2):
        done = subprocess.run([EVENKEEL, "judge", run], capture_output=True, text=True, timeout=60)
        both.append((done.returncode, (run / "verdict.json").read_text(encoding="utf-8")))
    assert both[0] == both[1], f"{run}: judged twice, two verdicts"
    return both[0]


def check(case, update):
    name, source, damage, verdict = case
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / source
        shutil.copytree(ROOT / "pcaps" / source, run)
        if damage:
            damage(run)
        status, got = judge(run)
    golden = GOLDEN / f"{name}.json"
    want = golden.read_text(encoding="utf-8") if golden.exists() else ""
    diff = "".join(difflib.unified_diff(want.splitlines(True), got.splitlines(True),
                                        str(golden.relative_to(ROOT)), "now"))
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(got, encoding="utf-8")
    good = status == STATUS[verdict] and (update or not diff)
    print(f"  {'ok   ' if good else 'FAIL '} {name}: exit {status}, expected {STATUS[verdict]}")
    if diff:
        print(diff, end="")
    return good


def main():
    update = sys.argv[1:] == ["--update"]
    bad = sum(not check(case, update) for case in CASES)
    print(f"golden: {len(CASES)} runs, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
