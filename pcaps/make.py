# SPDX-License-Identifier: BSD-3-Clause
"""Makes the captures of lab/ anew: each story runs once with our own programs (ours-STORY) and once
with Debian's dnsdist and PowerDNS Recursor (debian-STORY) in network namespaces, and what the
balancer's interface saw is kept. Then writes SHA256SUMS. A run's packets are never the same twice:
golden verdicts have to be made anew, too (make golden).

usage: /usr/bin/python3 pcaps/make.py [STORY]... | sums"""
import gzip
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

PCAPS = pathlib.Path(__file__).resolve().parent
LAB = PCAPS / "lab"
EVENKEEL = PCAPS.parent / "build/bin/evenkeel"
KINDS = {"ours": [], "debian": ["--balancer", "dnsdist", "--recursor", "/usr/sbin/pdns_recursor"]}
STORIES = {  # whose captures are kept
    "steady": ["LB1"],
    "killed": ["LB1", "DNS1", "DNS3"],
    "hung": ["LB1"],
    "ipv6": ["LB1"],
    "tcp": ["LB1"],
}
INVALID_MOST = 5
FINE = (0, 3)  # PASS; INCONCLUSIVE where nothing is claimed


def keep(run, story, kind, node):
    name = f"{kind}-{story}" + ("" if node == "LB1" else f"-{node}")
    path = LAB / f"{name}.pcap.gz"
    with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        packed.write((run / f"{node}.pcap").read_bytes())
    print(f"  {path.name}: {path.stat().st_size} bytes")


def make(story, kind):
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        done = subprocess.run([EVENKEEL, "run", "--again", str(INVALID_MOST), "--out", run,
                               *KINDS[kind], LAB / f"{story}.lua"], capture_output=True, text=True)
        if done.returncode not in FINE:
            sys.exit(f"{kind}-{story}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        for node in STORIES[story]:
            keep(run, story, kind, node)


def write_sums():
    lines = []
    for path in sorted(PCAPS.rglob("*")):
        if path.is_file() and path.parent != PCAPS:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(PCAPS)}\n")
    (PCAPS / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def main():
    if sys.argv[1:] == ["sums"]:
        write_sums()
        return
    for program in ("dnsdist", "/usr/sbin/pdns_recursor"):
        if shutil.which(program) is None:
            sys.exit(f"{program} isn't installed: .ci/deps peers")
    stories = sys.argv[1:] or list(STORIES)
    for story in stories:
        if story not in STORIES:
            sys.exit(f"no story '{story}': expected {', '.join(STORIES)}")
        for kind in KINDS:
            make(story, kind)
    write_sums()


if __name__ == "__main__":
    main()
