# SPDX-License-Identifier: BSD-3-Clause
"""The real PowerDNS Recursor takes the stub's place: the lab gives it somebody to ask, and load,
judge and captures hold for it as for ours."""
import json
import shutil

import pytest

import ek

pytestmark = pytest.mark.lab

BLOG = ek.SCENARIOS / "blog.lua"

# Three threads of each recursor wait for a busy processor: half of the queries, a greater catch
# that they decide, and a hit may take longer, as a miss takes 20 ms.
BUSY = ek.PATIENT + [a for v in ("load.rate=500", "expect.even.catch=0.15",
                                 "expect.back.catch=0.15", "expect.cache.within=5ms")
                     for a in ("--set", v)]

# Few queries, and types that a recursor gives on each in its own way.
SHORT = """lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" }, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 20, choose = "per_query" },
  links = { delay = "50us" },
}
load { rate = %(rate)u, arrivals = "constant", to = "%(to)s", names = zipf(100), timeout = "1s",
       types = { A = 0.4, AAAA = 0.2, MX = 0.1, TXT = 0.1, SRV = 0.1, HTTPS = 0.1 } }
"""
ANSWERS = "expect { answers { wrong = 0, duplicate = 0, error = 0 } }"

SIX_CONF = """setLocal("[::]:53")
setACL({"2605:e200:d000::/44"})
newServer{address="[2001:db8::3]:53", name="DNS1"}
newServer{address="[2001:db8::4]:53", name="DNS3"}
setServerPolicy(wrandom)
"""

# Sabotage in the recursor's own words: another address for one name, and 4 ms of work a question.
LIE = """function preresolve(dq)
  if dq.qname:equal("k1.zipf.example.") and dq.qtype == pdns.A then
    dq:addAnswer(pdns.A, "192.0.2.99")
    return true
  end
  return false
end
"""
SLOW = """function preresolve(dq)
  local start = os.clock()
  dq.variable = true
  while os.clock() - start < 0.004 do end
  return false
end
"""


@pytest.fixture(name="recursor")
def fixture_recursor():
    return ek.tool("pdns_recursor")


def scenario(folder, rest, to="2s", rate=400, settings=""):
    """A scenario beside copies of the reference's files; settings: more for recursor.conf."""
    shutil.copytree(ek.SCENARIOS / "blog", folder / "blog")
    conf = folder / "blog" / "recursor.conf"
    conf.write_text(conf.read_text(encoding="utf-8") + settings, encoding="utf-8")
    path = folder / "short.lua"
    path.write_text(SHORT % {"to": to, "rate": rate} + rest, encoding="utf-8")
    return path


def node_events(run):
    """The lines of events.jsonl about nodes, by name."""
    lines = (run.dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return {e["node"]: e for e in map(json.loads, lines) if e.get("event") == "node"}


def test_the_reference_set_up_passes_with_the_real_recursor(tmp_path, recursor):
    done = ek.run_valid(BLOG, tmp_path / "run", *BUSY, "--recursor", recursor)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    answers = done.expectation("answers")
    assert "checked" not in answers["why"], "the judge knows what is right"
    assert answers["measured"]["wrong"] == 0
    for log in ("DNS1.log", "DNS3.log"):
        assert "PowerDNS Recursor 4" in (done.dir / log).read_text(encoding="utf-8")
    hits = done.expectation("cache")["measured"]
    assert hits["answers"] <= answers["measured"]["answered"] + hits["answers"] // 100, \
        "what recursors ask the authority is nobody's cache hit"
    seen = node_events(done)["authority"]
    assert seen["if_sent"] == seen["wire_took"] > 100, "it was asked, and every frame was seen"
    assert ek.size(done.dir / "authority.pcap") > 10_000


def test_both_real_programs_pass_together(tmp_path, recursor):
    dnsdist = ek.tool("dnsdist")
    done = ek.run_valid(BLOG, tmp_path / "run", *BUSY, "--recursor", recursor,
                        "--balancer", dnsdist)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text


def test_what_real_programs_were_asked_is_asked_again(tmp_path, recursor):
    dnsdist = ek.tool("dnsdist")
    done = ek.run_valid(ek.SCENARIOS / "replay-ipv6.lua", tmp_path / "run", *ek.PATIENT,
                        "--recursor", recursor, "--balancer", dnsdist)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    assert done.expectation("answers")["measured"]["answered"] > 5000


def test_recursors_and_balancers_may_have_ipv6_addresses_only(tmp_path, recursor):
    path = scenario(tmp_path, ANSWERS)
    (tmp_path / "blog" / "dnsdist.conf").write_text(SIX_CONF, encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace("192.160.102.128/25", "2605:e200:d000:80::/64")
    path.write_text(text.replace('"192.160.102.2", ', ""), encoding="utf-8")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    assert node_events(done)["authority"]["if_sent"] > 50


def test_settings_that_no_lab_could_keep_do_no_harm(tmp_path, recursor):
    path = scenario(tmp_path, ANSWERS, settings="setuid=nobody\nsetgid=nogroup\ndnssec=validate\n"
                    "forward-zones=example=192.0.2.77\nquery-local-address=192.0.2.78\n")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text


def test_a_lie_of_the_real_recursor_is_seen(tmp_path, recursor):
    script = tmp_path / "lie.lua"
    script.write_text(LIE, encoding="utf-8")
    path = scenario(tmp_path, ANSWERS, settings=f"lua-dns-script={script}\n")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert done.status == ek.FAIL, done.text
    assert done.expectation("answers")["measured"]["wrong"] > 0
    assert "192.0.2.99" in done.text and "expected: NOERROR" in done.text


def test_a_real_recursor_that_thinks_for_long_fails(tmp_path, recursor):
    script = tmp_path / "slow.lua"
    script.write_text(SLOW, encoding="utf-8")
    path = scenario(tmp_path, 'expect { cache { hits = 0.5, within = "2ms" } }', rate=100,
                    settings=f"lua-dns-script={script}\n")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert done.status == ek.FAIL, done.text
    assert done.expectation("cache")["verdict"] == "FAIL"


def test_the_death_of_an_unchecked_real_recursor_fails(tmp_path, recursor):
    path = scenario(tmp_path, 'at "1s" { kill = "DNS1" } expect { detect { "DNS1" } }', to="4500ms")
    shutil.copy(ek.DATA / "unchecked.conf", tmp_path / "blog" / "dnsdist.conf")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, "--recursor", recursor)
    assert done.status == ek.FAIL, done.text
    assert done.expectation("detect")["verdict"] == "FAIL"
