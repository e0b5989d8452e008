# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel plan from the command line: what it prints, what it refuses, and its exit statuses."""
import json
import os
import shutil
import re
import subprocess

import pytest

import ek
import traffic

SCENARIOS = sorted((ek.ROOT / "scenarios").glob("*.lua"))


def plan(*args, status=0):
    done = subprocess.run([ek.program("evenkeel"), "plan", *map(str, args)], text=True,
                          capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_every_scenario_makes_a_plan(path):
    out = plan(path)
    for head in ("Nodes", "Load", "Expectations"):
        assert f"\n{head}\n" in out
    has_faults = re.search(r"^ *at\b", path.read_text(), re.MULTILINE) is not None
    assert ("\nTimeline\n" in out) == has_faults
    assert path.read_text().split("\n")[1].startswith("-- "), "opens with what one learns"


def test_every_scenario_is_in_the_index():
    index = (ek.ROOT / "scenarios" / "README.md").read_text()
    assert [p.name for p in SCENARIOS if f"`{p.name}`" not in index] == []


def test_bounds_and_sample_sizes_of_the_reference_are_printed():
    out = plan(ek.ROOT / "scenarios" / "blog.lua")
    assert "kill DNS1: noticed within 2 s" in out
    assert "5000 queries count, 4582 at least; 2396 decide" in out
    assert "A right system fails in at most 5e-09 of the runs." in out


def test_json_is_the_same_twice_sorted_and_has_no_lua():
    path = ek.ROOT / "scenarios" / "blog.lua"
    first, second = plan("--json", "--seed", 7, path), plan("--json", "--seed", 7, path)
    assert first == second
    doc = json.loads(first)
    assert doc["seed"] == 7
    assert list(doc) == sorted(doc)
    assert [n["name"] for n in doc["node"]] == ["clients", "LB1", "LB2", "DNS1", "DNS3"]
    assert doc["node"][3]["addresses"] == ["192.0.2.3"]


def test_set_changes_the_plan_and_is_checked():
    path = ek.ROOT / "scenarios" / "blog.lua"
    doc = json.loads(plan("--json", "--set", "load.rate=2000", "--set", "load.to=14s", path))
    assert doc["load"][0]["rate_mqps"] == 2000000
    err = plan("--set", "load.rat=1", path, status=2)
    assert err.startswith("evenkeel: --set load.rat=1: no such key: did you mean 'rate'?")
    assert err.count("\n") == 1


def test_a_claim_that_cannot_be_decided_is_refused_with_what_would_do():
    err = plan("--set", "load.rate=100", ek.ROOT / "scenarios" / "blog.lua", status=2)
    assert "blog.lua:22: expect.even: 500 queries are planned" in err
    assert "takes 2396: expected 5.405 times the rate (541 a second)" in err


@pytest.mark.parametrize("args", [[], ["a.lua", "b.lua"], ["--nonsense"], ["--seed", "-1", "a"],
                                  ["--seed", "x", "a"], ["no-such-file.lua"], ["--balancer",
                                  "/no/such/program", "a.lua"], ["/"]])
def test_wrong_usage_is_status_2(args):
    assert plan(*args, status=2) != ""


def test_help_tells_every_option():
    out = plan("--help")
    for option in ("--set", "--seed", "--balancer", "--recursor", "--json"):
        assert option in out


STRANGE_KEYS = [
    "lab.x=1", "lab.balancers.LB1.x=1", "lab.recursors={ DNS1={x=1} }", "lab.clients.x=1",
    "load.x=1", "at.1.x=1", "limits.x=1", "expect.even.x=1", "expect.detect.x=1",
    "expect.back.x=1", "expect.lost.x=1", "expect.answers.x=1", "expect.cache.x=1",
]


@pytest.mark.parametrize("path", STRANGE_KEYS)
def test_every_key_is_on_the_manual_page(path):
    """The message on a key that doesn't exist lists those that do."""
    err = plan("--set", path, ek.ROOT / "scenarios" / "blog.lua", status=2)
    keys = err.strip().split("expected one of ")[1].split(", ")
    page = (ek.ROOT / "docs" / "evenkeel-scenario.5").read_text()
    assert [k for k in keys if k not in page and k != "expect"] == []


def test_a_broken_scenario_gives_one_line(tmp_path):
    path = tmp_path / "broken.lua"
    path.write_text("lab {\n  balancers = 5,\n}\n")
    assert plan(path, status=2) == f"evenkeel: {path}:1: lab: no 'recursors': expected " \
        "recursors = ...\n"


@pytest.mark.skipif(shutil.which("dnsdist") is None, reason="no dnsdist here")
def test_dnsdist_gets_the_bounds_of_its_version():
    path = ek.ROOT / "scenarios" / "blog.lua"
    doc = json.loads(plan("--json", "--balancer", "dnsdist", path))
    assert doc["balancer"]["path"] == os.path.realpath(shutil.which("dnsdist"))
    major, minor, patch = (int(n) for n in doc["balancer"]["version"].split(".")[:3])
    rounds = (major, minor, patch) <= (1, 8, 0)
    assert doc["balancer"]["checks"] == ("rounds" if rounds else "async")
    if rounds:
        assert "kill DNS1: noticed within 2.1 s" in plan("--balancer", "dnsdist", path)


def test_a_foreign_file_with_unknown_words_is_noted(tmp_path):
    dnsdist = tmp_path / "dnsdist"
    dnsdist.write_text("#!/bin/sh\necho 'dnsdist 1.9.3 (Lua 5.1)'\n")
    dnsdist.chmod(0o755)
    shutil.copytree(ek.ROOT / "scenarios" / "blog", tmp_path / "blog")
    shutil.copy(ek.ROOT / "scenarios" / "blog.lua", tmp_path)
    conf = tmp_path / "blog" / "dnsdist.conf"
    conf.write_text(conf.read_text() + "frobnicate(1)\n")
    out = plan("--balancer", dnsdist, tmp_path / "blog.lua")
    assert "dnsdist 1.9.3, health checks async" in out
    assert f"note: {conf}:9: 'frobnicate' isn't read here" in out
    assert "frobnicate" in plan(tmp_path / "blog.lua", status=2)


@pytest.mark.skipif(shutil.which("pdns_recursor") is None, reason="no pdns_recursor here")
def test_a_foreign_recursor_cannot_do_the_faults_of_ours(tmp_path):
    shutil.copytree(ek.ROOT / "scenarios" / "blog", tmp_path / "blog")
    text = (ek.ROOT / "scenarios" / "blog.lua").read_text()
    (tmp_path / "x.lua").write_text(text + 'at "2s" { servfail = "DNS3", ratio = 0.5 }\n')
    assert "servfail DNS3, 0.5 of its answers" in plan(tmp_path / "x.lua")
    assert "can't servfail on command" in plan("--recursor", "pdns_recursor", tmp_path / "x.lua",
                                              status=2)


@pytest.fixture(name="foreign")
def fixture_foreign(tmp_path):
    """A program that says it is PowerDNS Recursor, which is all that a plan asks."""
    path = tmp_path / "pdns_recursor"
    path.write_text("#!/bin/sh\necho 'PowerDNS Recursor 4.8.8 (C)'\n")
    path.chmod(0o755)
    shutil.copytree(ek.ROOT / "scenarios" / "blog", tmp_path / "blog")
    shutil.copy(ek.ROOT / "scenarios" / "blog.lua", tmp_path)
    return path


def test_a_foreign_recursor_gets_somebody_to_ask(tmp_path, foreign):
    blog = tmp_path / "blog.lua"
    out = plan("--recursor", foreign, blog)
    assert "DNS1     recursor 192.0.2.3; link 50 us; recursor.conf; packet cache; a miss asks " \
           "authority" in out
    assert "authority authority 198.51.100.53 2001:db8:ffff::53; link 50 us; an answer takes " \
           "20 ms" in out
    assert "authority" not in plan(blog)
    doc = json.loads(plan("--json", "--recursor", foreign, blog))
    assert [n["role"] for n in doc["node"]][-1:] == ["authority"]
    assert doc["node"][-1]["config_path"] is None


def test_an_authority_gets_out_of_the_way(tmp_path, foreign):
    blog = tmp_path / "blog.lua"
    text = blog.read_text().replace('"DNS1"', '"authority"')
    conf = tmp_path / "blog" / "dnsdist.conf"
    conf.write_text(conf.read_text().replace('"DNS1"', '"authority"').replace(
        "192.0.2.4", "203.0.113.53").replace("setACL({", 'setACL({"198.51.100.0/24", '))
    blog.write_text(text.replace("192.160.102.128/25", "198.51.100.0/24"))
    out = plan("--recursor", foreign, blog)
    assert "authority-2 authority 203.0.113.54 2001:db8:ffff::53;" in out
    assert "recursor 192.0.2.3; link 50 us; recursor.conf; packet cache; a miss asks " \
           "authority-2" in out


def test_each_length_of_miss_has_an_authority(tmp_path, foreign):
    blog = tmp_path / "blog.lua"
    blog.write_text(blog.read_text().replace('"DNS1", "DNS3", config',
                                             '"DNS1", DNS3 = { miss = "30ms" }, config'))
    out = plan("--recursor", foreign, blog)
    assert "authority authority 198.51.100.53 2001:db8:ffff::53; link 50 us; an answer takes " \
           "20 ms" in out
    assert "authority-2 authority 198.51.100.54 2001:db8:ffff::54; link 50 us; an answer takes " \
           "30 ms" in out
    assert "DNS3     recursor 192.0.2.4; link 50 us; recursor.conf; packet cache; a miss asks " \
           "authority-2" in out


def test_no_fault_may_befall_an_authority(tmp_path, foreign):
    blog = tmp_path / "blog.lua"
    blog.write_text(blog.read_text() + 'at "2s" { kill = "authority" }\n')
    assert "authority" in plan("--recursor", foreign, blog, status=2)


def test_what_a_real_recursor_does_otherwise_is_told(tmp_path, foreign):
    blog = tmp_path / "blog.lua"
    out = plan("--recursor", foreign, "--set", "lab.recursors.miss=2s", blog)
    assert "a miss of DNS1 may take longer than PowerDNS Recursor waits" in out
    types = ("--set", "load.types.CNAME=0.5", "--set", "load.types.A=0.5", blog)
    assert "CNAME or ANY beside another type" in plan("--recursor", foreign, *types, status=2)
    plan(*types)
    plan("--recursor", foreign, "--set", "load.types.CNAME=1", blog)


def test_captured_aliases_are_told_of_with_a_real_recursor(tmp_path, foreign):
    kinds = ["A", "CNAME", "A", "AAAA"]
    queries = [traffic.udp("192.160.102.130", 2000 + i, "192.160.102.2", 53,
                           traffic.message(i, "www.example", kind).to_wire())
               for i, kind in enumerate(kinds)]
    packets = [(i / 10, traffic.ethernet(q)) for i, q in enumerate(queries)]
    (tmp_path / "aliases.pcap").write_bytes(traffic.pcap(packets))
    blog = tmp_path / "blog.lua"
    lab = blog.read_text().split("load {")[0].replace("count = 50, ", "")
    blog.write_text(lab + 'load { replay = "aliases.pcap" } expect { answers { wrong = 0 } }\n')
    assert "note: " in plan("--recursor", foreign, blog)
    assert "CNAME or ANY beside another type" in plan("--recursor", foreign, blog)
    assert "CNAME" not in plan(blog)
    blog.write_text(blog.read_text().replace('"aliases.pcap"', '"aliases.pcap", limit = 1'))
    assert "CNAME" not in plan("--recursor", foreign, blog)


def test_what_is_odd_is_noted(tmp_path):
    shutil.copytree(ek.ROOT / "scenarios" / "blog", tmp_path / "blog")
    shutil.copy(ek.ROOT / "scenarios" / "blog.lua", tmp_path)
    conf = tmp_path / "blog" / "dnsdist.conf"
    text = conf.read_text().replace('"DNS1", order=1', '"DNS1", order=1, checkTimeout=1')
    conf.write_text(text.replace('"DNS3", order=1', '"DNS3", order=2'))
    out = plan("--set", "lab.recursors.miss=2ms", "--set", "expect.lost.flake=1e-5",
               tmp_path / "blog.lua")
    for note in (f"{conf}:6: checkTimeout of DNS1 is 1 ms: it is in milliseconds",
                 f"{conf}:7: order has no effect under wrandom",
                 "blog.lua:27: expect.cache: a miss of DNS1 may take less than twice 'within'",
                 "the claims' flakes add up to 1.0004e-05, above 1e-06"):
        assert note in out


def beyond(tmp_path, conf, more="", **sets):
    """evenkeel plan of blog.lua with that added to its configuration."""
    shutil.copytree(ek.ROOT / "scenarios" / "blog", tmp_path / "blog", dirs_exist_ok=True)
    text = (ek.ROOT / "scenarios" / "blog.lua").read_text()
    (tmp_path / "blog.lua").write_text(text.replace("expect {", "expect {" + more))
    file = tmp_path / "blog" / "dnsdist.conf"
    file.write_text(file.read_text() + conf)
    flags = [x for k, v in sets.items() for x in ("--set", f"load.{k}={v}")]
    return [*flags, tmp_path / "blog.lua"]


def test_what_loses_nothing_is_known(tmp_path):
    without = plan(*beyond(tmp_path, ""))
    assert re.search(r"lost +at most [1-9]", without)
    for conf in ("setServFailOnTimeout(true)\n", "setUDPRetry(300)\n"):
        assert re.search(r"lost +at most 0:", plan(*beyond(tmp_path, conf, timeout="3s")))


def test_what_comes_too_late_for_clients_is_noted_and_counts_as_lost(tmp_path):
    told = plan(*beyond(tmp_path, "setServFailOnTimeout(true)\n"))
    assert "setServFailOnTimeout: a time-out is told 2s after the query" in told
    assert re.search(r"lost +at most [1-9]", told)
    tried = plan(*beyond(tmp_path, "setUDPRetry(1990)\n"))
    assert "setUDPRetry: what is tried again after 1.99s may be answered when" in tried
    assert re.search(r"lost +at most [1-9]", tried)


def test_single_choices_beside_second_tries_are_refused(tmp_path):
    for policy, why in (("leastOutstanding", "can't be judged choice by choice"),
                        ("roundrobin", "can't be told from another query for its name")):
        conf = f"setServerPolicy({policy})\nsetUDPRetry(300)\n"
        out = plan(*beyond(tmp_path, conf, 'policy { during = { "0s", "5s" } },'), status=2)
        assert "expect.policy" in out and why in out


def test_a_slow_start_makes_the_return_longer(tmp_path):
    assert "in use within 1.0002 s" in plan(*beyond(tmp_path, ""))
    assert "in use within 6.0002 s" in plan(*beyond(tmp_path, "setSlowStart(5)\n", to="20s"))
