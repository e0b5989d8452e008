# SPDX-License-Identifier: BSD-3-Clause
"""The real PowerDNS Recursor takes the stub's place: the lab gives it somebody to ask, and load,
judge and captures hold for it as for ours."""
import json
import shutil

import pytest

import ek

pytestmark = pytest.mark.lab

BLOG = ek.SCENARIOS / "blog.lua"

# Fewer queries and seconds than blog.lua, its claims by name.
SHORT = """lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" }, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "%(conf)s", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 20, choose = "per_query" },
  links = { delay = "50us" },
}
load { rate = 500, arrivals = "constant", to = "%(to)s", names = %(names)s, timeout = "1s",
       types = { A = 0.5, AAAA = 0.2, MX = 0.1, TXT = 0.1, HTTPS = 0.1 } }
"""


@pytest.fixture(name="recursor")
def fixture_recursor():
    return ek.tool("pdns_recursor")


def scenario(folder, rest, to="2s", names="zipf(100)", recursor=""):
    """A scenario file beside copies of the reference's configurations; recursor: more settings."""
    shutil.copytree(ek.SCENARIOS / "blog", folder / "blog")
    conf = folder / "blog" / "recursor.conf"
    conf.write_text(conf.read_text(encoding="utf-8") + recursor, encoding="utf-8")
    path = folder / "short.lua"
    path.write_text(SHORT % {"conf": "blog/recursor.conf", "to": to, "names": names} + rest,
                    encoding="utf-8")
    return path


def node_events(run):
    """The lines of events.jsonl about nodes, by name."""
    lines = (run.dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return {e["node"]: e for e in map(json.loads, lines) if e.get("event") == "node"}


def test_the_reference_set_up_passes_with_the_real_recursor(tmp_path, recursor):
    done = ek.run_valid(BLOG, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    answers = done.expectation("answers")
    assert "checked" not in answers["why"], "the judge knows what is right"
    assert answers["measured"]["wrong"] == 0
    for log in ("DNS1.log", "DNS3.log"):
        assert "PowerDNS Recursor 4" in (done.dir / log).read_text(encoding="utf-8")
    seen = node_events(done)["authority"]
    assert seen["if_sent"] == seen["wire_took"] > 100, "it was asked, and every frame was seen"
    assert ek.size(done.dir / "authority.pcap") > 10_000


def test_both_real_programs_pass_together(tmp_path, recursor):
    dnsdist = ek.tool("dnsdist")
    done = ek.run_valid(BLOG, tmp_path / "run", *ek.PATIENT, "--recursor", recursor,
                        "--balancer", dnsdist)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text


def test_a_recursor_without_its_caches_fails(tmp_path, recursor):
    path = scenario(tmp_path, 'expect { cache { hits = 0.5, within = "5ms" } }',
                    names="\"unique\"")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert done.status == ek.FAIL, done.text
    assert done.expectation("cache")["verdict"] == "FAIL"


def test_a_recursor_that_does_not_come_back_fails(tmp_path, recursor):
    path = scenario(tmp_path, '''at "1s" { kill = "DNS1" }
expect { even { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.2 }, lost { at_most = 0 } }
''', to="5s")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert done.status == ek.FAIL, done.text
    assert done.expectation("lost")["verdict"] == "FAIL"
