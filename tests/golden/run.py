# SPDX-License-Identifier: BSD-3-Clause
"""Golden files, which must come out byte for byte: verdicts of captured runs, whole or damaged in
one way (judge/), verdicts of pcaps/lab's captures, judged as if they came from elsewhere
(foreign/), and what info says of these (info/). With --update they are written anew and the
difference is shown."""
import difflib
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
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


BLOG = ["--backend", "DNS1=192.0.2.3", "--backend", "DNS3=192.0.2.4"]
IPV6 = ["--backend", "DNS1=2001:db8::3", "--backend", "DNS3=2001:db8::4"]
WEIGHTED = ["--policy", "wrandom", "--backend", "DNS1=192.0.2.3,3", "--backend", "DNS3=192.0.2.4"]
CONFIG = ["--config", "scenarios/blog/dnsdist.conf"]
WRANDOM = ["--policy", "wrandom", "--catch", "0.2"]  # captures so small can't tell finer
EITHER_SIDE = ["debian-killed-DNS1", "debian-killed-DNS3"]

FOREIGN = [  # golden file, arguments, captures of pcaps/lab, verdict
    ("ours-steady", WRANDOM + BLOG, ["ours-steady"], "PASS"),
    ("ours-killed", WRANDOM + BLOG, ["ours-killed"], "PASS"),
    ("ours-hung", WRANDOM + BLOG, ["ours-hung"], "PASS"),
    ("ours-ipv6", WRANDOM + IPV6, ["ours-ipv6"], "PASS"),
    ("ours-tcp", WRANDOM + BLOG, ["ours-tcp"], "INCONCLUSIVE"),
    ("debian-steady", WRANDOM + BLOG, ["debian-steady"], "PASS"),
    ("debian-killed", WRANDOM + BLOG, ["debian-killed"], "PASS"),
    ("debian-hung", WRANDOM + BLOG, ["debian-hung"], "PASS"),
    ("debian-ipv6", WRANDOM + IPV6, ["debian-ipv6"], "PASS"),
    ("debian-tcp", WRANDOM + BLOG, ["debian-tcp"], "INCONCLUSIVE"),
    ("servers-side", WRANDOM + BLOG, EITHER_SIDE, "PASS"),
    ("both-sides", WRANDOM + BLOG, ["debian-killed", *EITHER_SIDE], "PASS"),
    ("by-config", CONFIG, ["debian-steady"], "INCONCLUSIVE"),
    ("by-traffic", WRANDOM + BLOG + ["--epochs", "traffic"], ["debian-killed"], "PASS"),
    ("no-epochs", WRANDOM + BLOG + ["--epochs", "none"], ["ours-killed"], "FAIL"),
    ("no-turns", ["--policy", "roundrobin", *BLOG], ["debian-steady"], "FAIL"),
    ("no-names", ["--policy", "whashed", *BLOG], ["ours-steady"], "FAIL"),
    ("other-weights", WEIGHTED, ["debian-steady"], "FAIL"),
]


def judge(run):
    """Exit status and verdict.json of one directory, judged twice."""
    both = []
    for _ in range(2):
        done = subprocess.run([EVENKEEL, "judge", run], capture_output=True, text=True, timeout=60)
        both.append((done.returncode, (run / "verdict.json").read_text(encoding="utf-8")))
    assert both[0] == both[1], f"{run}: judged twice, two verdicts"
    return both[0]


def compare(path, status, want_status, got, update):
    """Whether the exit status is as expected, and got what the golden file has."""
    golden = GOLDEN / path
    want = golden.read_text(encoding="utf-8") if golden.exists() else ""
    diff = "".join(difflib.unified_diff(want.splitlines(True), got.splitlines(True),
                                        str(golden.relative_to(ROOT)), "now"))
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(got, encoding="utf-8")
    good = status == want_status and (update or not diff)
    print(f"  {'ok   ' if good else 'FAIL '} {path}: exit {status}, expected {want_status}")
    if diff:
        print(diff, end="")
    return good


def check_run(case, update):
    name, source, damage, verdict = case
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / source
        shutil.copytree(ROOT / "pcaps" / source, run)
        if damage:
            damage(run)
        status, got = judge(run)
    return compare(f"judge/{name}.json", status, STATUS[verdict], got, update)


def lab(name):
    return f"pcaps/lab/{name}.pcap.gz"


def check_foreign(case, update):
    name, args, captures, verdict = case
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([EVENKEEL, "judge", *args, "--out", folder, *map(lab, captures)],
                              capture_output=True, text=True, timeout=60, cwd=ROOT)
        assert not done.stderr, f"{name}: {done.stderr}"
        got = (pathlib.Path(folder) / "verdict.json").read_text(encoding="utf-8")
    return compare(f"foreign/{name}.json", done.returncode, STATUS[verdict], got, update)


def check_info(name, update):
    env = {"LC_ALL": "C.UTF-8"}  # bars are drawn where the terminal can
    done = subprocess.run([EVENKEEL, "info", lab(name)], capture_output=True, encoding="utf-8",
                          timeout=60, cwd=ROOT, env=env)
    return compare(f"info/{name}.txt", done.returncode, 0, done.stdout, update)


def main():
    update = sys.argv[1:] == ["--update"]
    names = sorted(p.name.split(".")[0] for p in (ROOT / "pcaps/lab").glob("*.pcap.gz"))
    checks = [(check_run, CASES), (check_foreign, FOREIGN), (check_info, names)]
    good = [check(case, update) for check, cases in checks for case in cases]
    print(f"golden: {len(good)} files, {good.count(False)} differ")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
