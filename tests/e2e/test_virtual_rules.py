# SPDX-License-Identifier: BSD-3-Clause
"""Rules and pools in virtual time: the same cores do there what they do in the program, two runs
are the same bytes, and claims that don't know of rules aren't judged."""
import json
import subprocess

import pytest

import ek

CONF = """setLocal("0.0.0.0:53")
setACL({"192.160.102.0/24"})
newServer{address="192.0.2.3", name="DNS1"}
newServer{address="192.0.2.4", name="DNS3"%s}
setServerPolicy(roundrobin)
"""

RULES = """addAction(QTypeRule(DNSQType.TXT), RCodeAction(DNSRCode.REFUSED))
addAction(QTypeRule(DNSQType.AAAA), DelayAction(100))
addAction(ProbaRule(0.1), DropAction())
"""

SCENARIO = """engines = { "virtual" }
lab {
  balancers = { LB1 = { "192.160.102.2" }, config = "rules.conf" },
  recursors = { "DNS1", "DNS3", config = "recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 500, arrivals = "poisson", to = "4s",
  names = zipf(1000), timeout = "2s", tries = 1,
  types = { A = 0.5, TXT = 0.25, AAAA = 0.25 },
}
"""


def files(folder, conf, more=""):
    (folder / "rules.conf").write_text(conf)
    (folder / "recursor.conf").write_text((ek.SCENARIOS / "blog/recursor.conf").read_text())
    (folder / "s.lua").write_text(SCENARIO + more)
    return folder / "s.lua"


def evenkeel(*args):
    return subprocess.run([ek.program("evenkeel"), *map(str, args)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)


def test_rules_do_in_virtual_time_what_they_say(tmp_path):
    path, out = files(tmp_path, CONF % "" + RULES), tmp_path / "out"
    done = evenkeel("run", "--engine", "virtual", "--check-determinism", "--out", out, path)
    assert done.returncode == ek.INCONCLUSIVE, done.stdout + done.stderr  # nothing is expected
    doc = json.loads((out / "verdict.json").read_text())
    phase = doc["phases"][0]
    assert doc["invalid"] == [] and phase["queries"] > 1800
    # a quarter is refused; a tenth of the rest is dropped: each wrong by chance once in 10^6
    assert 0.20 < phase["error"] / phase["queries"] < 0.30
    assert 0.05 < phase["lost"] / phase["queries"] < 0.10
    assert phase["latency_range_us"]["p90"][0] > 100000  # what is delayed
    assert phase["latency_us"]["p50"] < 100000


@pytest.mark.parametrize("conf, line, says", [
    (CONF % "" + RULES, 6, "rules, as this one, change what becomes of queries, and claims don't "
     "know of them: expected no rule, or nothing expected"),
    (CONF % ', pool="abuse"', 4, "DNS3 isn't in the default pool, the only one that claims know: "
     "expected it there, or nothing expected"),
])
def test_claims_are_refused_beside_rules_and_pools(tmp_path, conf, line, says):
    path = files(tmp_path, conf, "expect { answers { wrong = 0 } }\n")
    done = evenkeel("plan", path)
    assert done.returncode == ek.USAGE
    assert f"rules.conf:{line}: {says}\n" in done.stderr
