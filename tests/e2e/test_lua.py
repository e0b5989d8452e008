# SPDX-License-Identifier: BSD-3-Clause
"""Lua in configurations, with the real programs: policies that Lua functions make route as they do
under a real dnsdist, failing functions are counted and told of, and in virtual time two runs are
the same."""
import re

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

import ek
from test_balancer import PROGRAM, client, free_port, lab, server, until  # noqa: F401

CONTROL = "control.example."  # every function below gives it to the first server

# What each configuration says, and for each query (name, type) the backend that gets it, counted
# from 0; None: nobody, and the client hears nothing; "SERVFAIL": nobody, and it hears that.
CASES = {
    "turns": ("""
local counter = 0
function turns(servers, dq)
  if dq.qname == newDNSName("control.example.") then return servers[1] end
  counter = counter + 1
  return servers[1 + counter % #servers]
end
setServerPolicyLua("turns", turns)
""", [("a.example.", "A", 1), ("a.example.", "A", 2), ("b.example.", "A", 0),
      ("c.example.", "A", 1)]),
    "by type and name": ("""
local suffix = newDNSName("one.example.")
setServerPolicyLua("mine", function(servers, dq)
  if dq.qname:isPartOf(suffix) then return servers[2] end
  if dq.qtype == DNSQType.AAAA and dq.dh:getRD() then return servers[3] end
  return servers[1]
end)
""", [("a.one.example.", "A", 1), ("A.ONE.example.", "AAAA", 1), ("none.example.", "AAAA", 2),
      ("none.example.", "A", 0)]),
    "by client": ("""
setServerPolicy(newServerPolicy("by client", function(servers, dq)
  if dq.remoteaddr:toString() == "127.0.0.1" and not dq.tcp and
     dq.qname:toString() ~= "control.example." then
    return servers[3]
  end
  return servers[1]
end))
""", [("a.example.", "A", 2)]),
    "attributes": ("""
setServerPolicyLua("heaviest", function(servers, dq)
  if dq.qname:toString() == "control.example." then return servers[1] end
  local best
  for _, s in ipairs(servers) do
    if s:isUp() and s:getOutstanding() == 0 and s.upStatus and s.order == 1 and
       (best == nil or s.weight > best.weight) then best = s end
  end
  return best
end)
getServer(1).weight = 7
""", [("a.example.", "A", 1), ("b.example.", "A", 1)]),
    "none": ("""
setServerPolicyLua("none", function(servers, dq)
  if dq.qname:toString() == "control.example." then return servers[1] end
end)
""", [("a.example.", "A", None)]),
    "none, with SERVFAIL": ("""
setServFailWhenNoServer(true)
setServerPolicyLua("none", function(servers, dq)
  if dq.qname:toString() == "control.example." then return servers[1] end
  return nil
end)
""", [("a.example.", "A", "SERVFAIL")]),
    "an error": ("""
setServFailWhenNoServer(true)
setServerPolicyLua("fails", function(servers, dq)
  if dq.qname:toString() == "control.example." then return servers[1] end
  error("on purpose")
end)
""", [("a.example.", "A", None)]),
    "down servers are on the list": ("""
setServerPolicyLua("all", function(servers, dq)
  if dq.qname:toString() == "control.example." then return servers[1] end
  if #servers == 3 and not servers[2]:isUp() then return servers[2] end
end)
getServer(1):setDown()
""", [("a.example.", "A", 1)]),
    "a removed server isn't": ("""
setServerPolicyLua("all", function(servers, dq)
  if #servers == 2 and dq.qname:toString() ~= "control.example." then return servers[2] end
  return servers[1]
end)
rmServer(1)
""", [("a.example.", "A", 2)]),
}


def ask(s, name, kind):
    q = dns.message.make_query(name, kind)
    s.send(q.to_wire())
    return q


def hear(s, q):
    a = dns.message.from_wire(s.recv(4096))
    assert a.id == q.id
    return a


def unheard(s, name, kind):
    """Asks, and asks the control query after it: only that is answered."""
    ask(s, name, kind)
    hear(s, ask(s, CONTROL, "A"))


def count(backends, name):
    wire = dns.name.from_text(name).to_wire().lower()
    return [sum(wire in data.lower() for data, _ in b.queries) for b in backends]


# Where Debian's dnsdist 1.7.3 does otherwise, and why we don't.
DIFFERS = {
    "by client": "it doesn't take what its own newServerPolicy returns, a defect",
    "none, with SERVFAIL": "nil is an error to it, so setServFailWhenNoServer has no effect",
}


@pytest.mark.parametrize("program", ["balancer", "dnsdist"])
@pytest.mark.parametrize("case", CASES)
def test_a_lua_policy_routes_as_under_dnsdist(lab, start, tmp_path, case, program):  # noqa: F811
    if program == "dnsdist" and case in DIFFERS:
        pytest.skip(DIFFERS[case])
    config, queries = CASES[case]
    backends, port = [lab.backend() for _ in range(3)], free_port("127.0.0.1")
    text = (f'setLocal("127.0.0.1:{port}")\n' +
            "".join(server(b, f"DNS{i}") for i, b in enumerate(backends)) + config)
    if program == "balancer":
        lab.balancer(text, "--workers", "1").ready()
    else:
        file = tmp_path / "real.conf"
        file.write_text('setSecurityPollSuffix("")\n' + text)
        start(ek.tool("dnsdist"), "--supervised", "--disable-syslog", "-C", file,
              notify=True).wait_ready()
    with client("127.0.0.1", port) as s:
        for name, kind, want in queries:
            before = count(backends, name)
            if want is None:
                unheard(s, name, kind)
            else:
                answer = hear(s, ask(s, name, kind))
                assert (answer.rcode() == dns.rcode.SERVFAIL) == (want == "SERVFAIL")
            got = [a - b for a, b in zip(count(backends, name), before)]
            assert got == [int(i == want) for i in range(3)]


def test_a_failing_function_is_counted_and_told_once_a_second(lab):  # noqa: F811
    one, port = lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1") + CASES["an error"][0],
                     "--workers", "1").ready()
    with client("127.0.0.1", port) as s:
        for _ in range(20):
            unheard(s, "a.example.", "A")
    counters = b.counters()
    assert counters["lua-failed"] == 20 and counters["forwarded"] == 20
    b.process.terminate()
    said = [line for line in b.process.stderr.read().splitlines() if "Lua" in line]
    assert 1 <= len(said) <= 20
    assert re.search(r"Lua function failed, \d+ calls: .*dnsdist.conf:7: on purpose$", said[0])


def test_a_failing_rule_is_counted_and_told_once_a_second(lab):  # noqa: F811
    one, port = lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1") +
                     'addAction(LuaRule(function(dq) error("no rule") end), DropAction())\n'
                     'addAction("fails.example", LuaAction(function(dq) error("no action") end))\n',
                     "--workers", "1").ready()
    with client("127.0.0.1", port) as s:
        for _ in range(20):
            answer = hear(s, ask(s, "fails.example.", "A"))
            assert answer.rcode() == dns.rcode.SERVFAIL
            assert hear(s, ask(s, CONTROL, "A")).rcode() == dns.rcode.NOERROR
    counters = b.counters()
    assert (counters["rules-failed"], counters["rule-servfail"]) == (60, 20)
    assert counters["forwarded"] == 20
    b.process.terminate()
    said = [line for line in b.process.stderr.read().splitlines() if "Lua" in line]
    assert 1 <= len(said) <= 20
    assert re.search(r"Lua function failed, \d+ calls: .*dnsdist.conf:[0-9]+: no (rule|action)$",
                     said[0])


def test_each_worker_has_variables_of_its_own(lab):  # noqa: F811
    backends, port = [lab.backend() for _ in range(3)], free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\n' +
                 "".join(server(b, f"DNS{i}") for i, b in enumerate(backends)) + CASES["turns"][0],
                 "--workers", "3").ready()
    for _ in range(30):
        with client("127.0.0.1", port) as s:
            for _ in range(3):
                hear(s, ask(s, "a.example.", "A"))
    assert sum(count(backends, "a.example.")) == 90
    assert min(count(backends, "a.example.")) >= 80 / 3


CHECK = """
local n = 0
newServer{address="%s", name="DNS0", checkFunction=function(name, type, class, header)
  n = n + 1
  header:setCD(true)
  return newDNSName("check" .. n .. "." .. name:toString()), DNSQType.AAAA, class
end}
newServer{address="%s", name="DNS1", checkFunction=function() error("on purpose") end}
"""


@pytest.mark.parametrize("program", ["balancer", "dnsdist"])
def test_a_check_function_says_what_is_probed(lab, start, tmp_path, program):  # noqa: F811
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    text = f'setLocal("127.0.0.1:{port}")\n' + CHECK % (one.where(), two.where())
    if program == "balancer":
        b = lab.balancer(text).ready()
    else:
        file = tmp_path / "real.conf"
        file.write_text('setSecurityPollSuffix("")\n' + text)
        start(ek.tool("dnsdist"), "--supervised", "--disable-syslog", "-C", file,
              notify=True).wait_ready()
    until(lambda: len(one.checks) >= 3, "three probes")
    asked = [dns.message.from_wire(data) for data, _ in one.checks[:3]]
    names = [f"check{i}.a.root-servers.net." for i in (1, 2, 3)]
    assert [q.question[0].name.to_text() for q in asked] == names
    assert all(q.question[0].rdtype == dns.rdatatype.AAAA and q.flags & dns.flags.CD for q in asked)
    assert two.checks == []
    with client("127.0.0.1", port) as s:
        for _ in range(20):
            hear(s, ask(s, "a.example.", "A"))
    assert (len(one.queries), len(two.queries)) == (20, 0)
    if program == "balancer":
        b.said(f"Marking downstream DNS1 ({two.where()}) as 'down'")


def test_included_files_are_read_in_order_and_named(tmp_path):
    (tmp_path / "conf.d").mkdir()
    file = tmp_path / "f.conf"
    file.write_text('includeDirectory("conf.d")\nassert(n == 2)\n')
    (tmp_path / "conf.d" / "1.conf").write_text("n = 1\n")
    (tmp_path / "conf.d" / "2.conf").write_text("n = n + 1\n")
    check = ek.Process(PROGRAM, "--check-config", "-C", file)
    assert (check.wait(), check.output()) == (0, f"Configuration '{file}' OK!\n")
    check.close()
    (tmp_path / "conf.d" / "3.conf").write_text("\nsetUDPTimeout(0)\n")
    check = ek.Process(PROGRAM, "--check-config", "-C", file)
    assert check.wait() == 1
    assert check.output() == (f"Fatal Lua error: {tmp_path}/conf.d/3.conf:2: setUDPTimeout: '0': "
                              "expected a whole number from 1 to 3600\n")
    check.close()


SCENARIO = """
lab {{
  balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }}, config = "lb.conf" }},
  recursors = {{ "DNS1", "DNS2", config = "{scenarios}/blog/recursor.conf", miss = "10ms" }},
  clients = {{ net = "192.160.102.128/25", count = 50, choose = "per_query" }},
  links = {{ delay = "50us" }},
}}
load {{ rate = 500, arrivals = "poisson", to = "7s", names = zipf(500), timeout = "500ms" }}
at "2s" {{ kill = "DNS1" }}
at "4500ms" {{ start = "DNS1" }}
at "6s" {{ kill = "LB1" }}
at "6300ms" {{ start = "LB1" }}
expect {{ detect {{ "DNS1", within = "model" }}, answers {{ wrong = 0, duplicate = 0 }},
         lost {{ at_most = "model" }} }}
"""
SERVERS = """setLocal("0.0.0.0:53")
setACL({"192.160.102.0/24"})
newServer{address="192.0.2.3", name="DNS1"}
newServer{address="192.0.2.4", name="DNS2"}
"""
DRAWS = """
setServerPolicyLua("draws", function(servers, dq)
  local up = {}
  for _, s in ipairs(servers) do if s:isUp() then up[#up + 1] = s end end
  if #up > 0 then return up[math.random(#up)] end
end)
"""
BLIND = 'setServerPolicyLua("blind", function(s) return s[math.random(#s)] end)\n'


def scenario(folder, policy):
    (folder / "conf.d").mkdir(exist_ok=True)
    (folder / "conf.d" / "policy.conf").write_text(policy)
    (folder / "lb.conf").write_text(SERVERS + f'includeDirectory("{folder}/conf.d")\n')
    path = folder / "s.lua"
    path.write_text(SCENARIO.format(scenarios=ek.SCENARIOS))
    return path


def test_in_virtual_time_a_lua_policy_repeats_and_is_judged_by_what_becomes_of_queries(tmp_path):
    path = scenario(tmp_path, DRAWS)
    runs = [ek.run(path, tmp_path / f"run{i}", "--engine", "virtual") for i in range(2)]
    assert (runs[0].status, runs[0].verdict) == (ek.PASS, "PASS"), runs[0].text
    names = sorted(p.name for p in runs[0].dir.glob("*.pcap"))
    assert len(names) == 5
    for name in names:
        assert (runs[0].dir / name).read_bytes() == (runs[1].dir / name).read_bytes()
    include = (runs[0].dir / "plan.json").read_text()
    assert f'"path":"{tmp_path}/conf.d/policy.conf"' in include.replace('": "', '":"')
    # one that doesn't look who is up goes on sending to a dead server
    blind = ek.run(scenario(tmp_path, BLIND), tmp_path / "blind", "--engine", "virtual")
    assert blind.status == ek.FAIL
    assert blind.expectation("detect")["verdict"] == "FAIL"


@pytest.mark.parametrize("claim, said", [
    ("policy {}", "nothing says what it should choose"),
    ('even { "DNS1", "DNS2", during = { "0s", "2s" }, catch = 0.1 }', "functions share as they"),
])
def test_what_cant_be_known_of_a_lua_policy_is_refused(tmp_path, claim, said):
    path = scenario(tmp_path, DRAWS)
    path.write_text(re.sub(r"expect \{.*", "expect { " + claim + " }\n", path.read_text(),
                           flags=re.DOTALL))
    plan = ek.Process(ek.program("evenkeel"), "plan", path)
    assert plan.wait() == ek.USAGE
    assert said in plan.output()
    plan.close()
