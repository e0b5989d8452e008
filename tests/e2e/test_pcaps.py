# SPDX-License-Identifier: BSD-3-Clause
"""The captures in pcaps/: their sums hold, the README tells of each, and those of the lab, of our
programs and of Debian's, can be replayed in virtual time."""
import hashlib
import re

import pytest

import ek

PCAPS = ek.ROOT / "pcaps"
LAB = PCAPS / "lab"
BALANCERS = sorted(p.name.split(".")[0] for p in LAB.glob("*.pcap.gz") if "-DNS" not in p.name)

REPLAY = """lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" },
                config = "%(scenarios)s/blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "%(scenarios)s/blog/recursor.conf", miss = "20ms" },
  clients = { net = "%(net)s" },
}
load { replay = "%(capture)s", timeout = "2s" }
expect { answers { wrong = 0, duplicate = 0, error = 0 }, lost { at_most = 0 } }
"""


def told():
    """(captures, queries) of each row of the README's table."""
    text = (PCAPS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*pcap\.gz`) \|[^|]*\| ([^|]*) \|$", text, re.MULTILINE)
    return [(re.findall(r"`([\w-]+)\.pcap\.gz`", names), count) for names, count in rows]


def test_the_sums_hold_and_name_every_file():
    lines = (PCAPS / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    named = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {str(p.relative_to(PCAPS)): p for p in PCAPS.rglob("*")
             if p.is_file() and p.parent != PCAPS}
    assert set(named) == set(files)
    wrong = [n for n, p in files.items() if hashlib.sha256(p.read_bytes()).hexdigest() != named[n]]
    assert not wrong, f"{wrong}: what SHA256SUMS says isn't so"


def test_the_readme_tells_of_each_capture():
    names = [name for row, _ in told() for name in row]
    assert sorted(names) == sorted(p.name.split(".")[0] for p in LAB.glob("*.pcap.gz"))


@pytest.mark.parametrize("name", BALANCERS)
def test_the_queries_of_a_lab_s_capture_can_be_asked_again(tmp_path, name):
    net = "2605:e200:d000:80::/64" if "ipv6" in name else "192.160.102.128/25"
    path = tmp_path / "replay.lua"
    path.write_text(REPLAY % {"scenarios": ek.SCENARIOS, "capture": LAB / f"{name}.pcap.gz",
                              "net": net}, encoding="utf-8")
    done = ek.run(path, tmp_path / "run", "--engine", "virtual", "--pcap", "none")
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    count = next(c for row, c in told() if name in row)
    planned = int(re.match(r"\d+", count)[0]) * (2 if "each over" in count else 1)
    assert done.expectation("answers")["measured"]["answered"] == planned
