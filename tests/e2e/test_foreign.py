# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel judge on captures that no run made: our own runs' pcaps, taken from a stranger's view.
Right systems pass from every side, wrong ones don't, outages lie where the run's own verdict has
them, and each mistake on the command line is one line and exit status 2."""
import json
import os
import re
import shutil
import subprocess

import pytest

import ek

SERVERS = ["--backend", "DNS1=192.0.2.3", "--backend", "DNS3=192.0.2.4"]
WRANDOM = ["--policy", "wrandom", *SERVERS]


def judge(*args, stdin=None):
    return subprocess.run([ek.program("evenkeel"), "judge", *map(str, args)], stdin=stdin,
                          capture_output=True, text=True, timeout=120)


def document(*args):
    """Exit status and verdict document."""
    done = judge("--json", *args)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def captures(run, *nodes):
    return [run.dir / f"{name}.pcap" for name in nodes]


def nodes(run, role):
    plan = json.loads((run.dir / "plan.json").read_text())
    return [n["name"] for n in plan["node"] if n["role"] == role]


def config(run):
    return json.loads((run.dir / "plan.json").read_text())["conf"][0]["path"]


@pytest.fixture(scope="module", name="runs")
def made_runs(tmp_path_factory):
    """Scenarios in virtual time, each run once."""
    made = {}

    def run(name):
        if name not in made:
            out = tmp_path_factory.mktemp("run") / name
            made[name] = ek.run(ek.SCENARIOS / f"{name}.lua", out, "--engine", "virtual")
            assert made[name].verdict == "PASS", made[name].text
        return made[name]
    return run


# ---- right systems ----

RIGHT = ["blog", "blog-ipv6", "weights", "roundrobin", "whashed", "chashed", "first-qps",
         "least-slow", "balancer-cache", "udp-retry", "tcp", "tcp-checks", "lazy-checks",
         "both-down", "slow-start", "blackhole"]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_system_passes_at_the_balancers_and_at_the_servers(runs, name):
    run = runs(name)
    for role in ("balancer", "recursor"):
        status, doc = document("--config", config(run), *captures(run, *nodes(run, role)))
        assert (status, doc["verdict"]) == (ek.PASS, "PASS"), (role, doc["expectations"])


@pytest.mark.parametrize("name, sides, says", [
    ("drain", ("balancer", "recursor"), "whether it was out on purpose"),
    ("cut-one-way", ("recursor",), "cut off beyond the capture"),
    ("lossy-link", ("recursor",), "cut off beyond the capture"),
])
def test_what_the_capture_doesn_t_show_doesn_t_fail(runs, name, sides, says):
    run = runs(name)
    for role in sides:
        status, doc = document("--config", config(run), *captures(run, *nodes(run, role)))
        assert status == ek.INCONCLUSIVE, (role, doc["expectations"])
        assert says in doc["expectations"][0]["why"]
        assert any(says in text for text in doc["foreign"]["limits"])


# ---- wrong ones ----

def test_weights_that_aren_t_those_claimed_fail(runs):
    run = runs("weights")
    for role in ("balancer", "recursor"):
        files = captures(run, *nodes(run, role))
        status, doc = document(*WRANDOM, *files)
        assert (status, doc["verdict"]) == (ek.FAIL, "FAIL"), (role, doc["expectations"])


def test_55_to_45_fails_at_a_catch_of_4_points(tmp_path):
    conf = (ek.SCENARIOS / "blog/dnsdist.conf").read_text()
    conf = conf.replace('"DNS1", order=1', '"DNS1", order=1, weight=11')
    conf = conf.replace('"DNS3", order=1', '"DNS3", order=1, weight=9')
    assert "weight=11" in conf and "weight=9" in conf
    shutil.copytree(ek.SCENARIOS / "blog", tmp_path / "blog")
    (tmp_path / "blog/dnsdist.conf").write_text(conf)
    text = (ek.SCENARIOS / "blog.lua").read_text()
    text = re.sub(r"^at .*\n", "", text, flags=re.MULTILINE)
    text = text[:text.index("expect {")] + "expect { answers { wrong = 0 } }\n"
    (tmp_path / "skewed.lua").write_text(text)
    run = ek.run(tmp_path / "skewed.lua", tmp_path / "run", "--engine", "virtual")
    files = captures(run, "LB1", "LB2")
    status, doc = document(*WRANDOM, "--catch", "0.04", *files)
    assert status == ek.FAIL, doc["expectations"]
    assert "DNS1 got" in doc["expectations"][0]["why"]
    weighted = ["--policy", "wrandom", "--backend", "DNS1=192.0.2.3,11", "--backend",
                "DNS3=192.0.2.4,9", "--catch", "0.04"]
    assert document(*weighted, *files)[0] == ek.PASS
    assert document("--config", tmp_path / "blog/dnsdist.conf", "--catch", "0.04",
                    *files)[0] == ek.PASS


@pytest.mark.parametrize("run_of, claimed", [
    ("blog", "roundrobin"), ("blog", "leastOutstanding"), ("blog", "firstAvailable"),
    ("blog", "whashed"), ("blog", "chashed"), ("roundrobin", "wrandom"),
])
def test_another_policy_than_the_one_claimed_fails(runs, run_of, claimed):
    status, doc = document("--policy", claimed, *SERVERS,
                           *captures(runs(run_of), "LB1", "LB2"))
    assert status == ek.FAIL, doc["expectations"]


# ---- epochs ----

def within(interval, low, high):
    """Whether the two intervals have a point in common."""
    return interval[0] <= high and low <= interval[1]


@pytest.mark.parametrize("how", ["auto", "traffic"])
@pytest.mark.parametrize("name", ["blog", "blog-ipv6", "hang"])
def test_epochs_lie_where_the_run_s_own_verdict_has_them(runs, name, how):
    run = runs(name)
    events = [json.loads(line) for line in (run.dir / "events.jsonl").read_text().splitlines()]
    start = next(int(e["t0_unix_ns"]) for e in events if "t0_unix_ns" in e)
    doc = document("--config", config(run), "--epochs", how,
                   *captures(run, *nodes(run, "balancer")))[1]
    zero = doc["foreign"]["first_unix_ns"] - start
    detect = {b["name"]: b for b in run.expectation("detect")["measured"]["balancers"]}
    back = {b["name"]: b for b in run.expectation("back")["measured"]["balancers"]}
    epochs = doc["foreign"]["epochs"]
    plan = json.loads((run.dir / "plan.json").read_text())
    named = {a: n["name"] for n in plan["node"] for a in n["addresses"]}
    assert sorted(named[e["balancer"]] for e in epochs) == sorted(detect)
    for e in epochs:
        assert e["by"] == ("checks" if how == "auto" else "traffic")
        d, b = detect[named[e["balancer"]]], back[named[e["balancer"]]]
        down, up = ([t + zero for t in e[k]] for k in ("down_ns", "up_ns"))
        said = (d["checks_say_down_from_ns"], d["checks_say_down_to_ns"])
        turned = (d["last_query_ns"], d["switched_before_ns"])
        low, high = (t + d["at_ns"] for t in (said if how == "auto" else turned))
        assert within(down, low, high), (e, d)
        first = b["at_ns"] + b["first_query_ns"]
        assert up[0] <= first
        assert how == "auto" or up[1] >= first


def test_a_server_that_was_never_out_has_no_epoch(runs):
    doc = document(*WRANDOM, *captures(runs("weights"), "LB1", "LB2"))[1]
    assert doc["foreign"]["epochs"] == []


# ---- several files, standard input, the same bytes ----

def test_all_captures_of_a_run_count_each_query_once(runs):
    run = runs("blog")
    alone = document(*WRANDOM, *captures(run, "LB1", "LB2"))[1]
    everything = document(*WRANDOM, *sorted(run.dir.glob("*.pcap")), *captures(run, "LB1"))[1]
    count = [[(b["name"], b["queries"], b["answered"]) for b in d["foreign"]["backends"]]
             for d in (alone, everything)]
    assert count[0] == count[1]
    assert everything["foreign"]["counted"]["copies_in_other_files"] > 10000
    assert everything["verdict"] == "PASS"


def test_pieces_of_a_capture_are_judged_like_the_whole(runs, tmp_path):
    whole, pieces = captures(runs("blog"), "LB1")[0], []
    for i, span in enumerate(("..4s", "4s..8s", "8s..8.5s", "8.5s..")):
        pieces.append(tmp_path / f"LB1-{i}.pcap")
        subprocess.run([ek.program("evenkeel"), "pcap", "--cut", span, "--out", pieces[-1], whole],
                       check=True)
    docs = [document(*WRANDOM, *files)[1] for files in ([whole], pieces, pieces[::-1])]
    claims = [[(e["kind"], e["verdict"], e["measured"]) for e in d["expectations"]] for d in docs]
    assert claims[0] == claims[1] == claims[2] and docs[0]["verdict"] == "PASS"
    epochs = [[{k: v for k, v in e.items() if "evidence" not in k} for e in d["foreign"]["epochs"]]
              for d in docs]
    assert epochs[0] == epochs[1] == epochs[2] and epochs[0]
    assert sum("piece_of" in f for f in docs[1]["foreign"]["files"]) == 3


def test_files_of_other_times_pass_and_fail_nothing(runs, tmp_path):
    other = ek.run(ek.SCENARIOS / "weights.lua", tmp_path / "2", "--engine", "virtual", "--seed", 2)
    files = []
    for run, start in ((runs("weights"), "@1000000000"), (other, "@1000086400")):
        files.append(tmp_path / f"{start}.pcap")
        subprocess.run([ek.program("evenkeel"), "pcap", "--start", start, "--out", files[-1],
                        *captures(run, "LB1")], check=True)
    assert document(*WRANDOM, files[0])[0] == ek.FAIL
    status, doc = document(*WRANDOM, *files)
    assert status == ek.INCONCLUSIVE
    assert any("isn't the same time" in text for text in doc["foreign"]["limits"])


def test_without_the_configuration_checks_are_taken_for_dnsdist_s_defaults(runs):
    run = runs("blog")
    said = document(*WRANDOM, *captures(run, "LB1"))[1]["foreign"]["limits"]
    assert any("give --config" in text for text in said)
    told = document("--config", config(run), *captures(run, "LB1"))[1]["foreign"]["limits"]
    assert not any("give --config" in text for text in told)


def test_standard_input_and_a_file_give_the_same_but_for_the_name(runs):
    path = captures(runs("blog"), "LB1")[0]
    with open(path, "rb") as f:
        piped = judge("--json", *WRANDOM, "-", stdin=f)
    read = judge("--json", *WRANDOM, path)
    assert piped.returncode == read.returncode == ek.PASS
    text = read.stdout.replace(str(path), "-").replace('"scenario":"LB1.pcap"', '"scenario":"-"')
    assert piped.stdout == text
    assert judge("--json", *WRANDOM, path).stdout == read.stdout


def test_a_capture_that_breaks_off_is_read_so_far_and_said(runs, tmp_path):
    path = captures(runs("roundrobin"), "LB1")[0]
    (tmp_path / "cut.pcap").write_bytes(path.read_bytes()[:-7])
    status, doc = document("--policy", "roundrobin", *SERVERS, tmp_path / "cut.pcap")
    assert status == ek.PASS and doc["foreign"]["files"][0]["trouble"]
    assert any("lacks packets" in text for text in doc["foreign"]["limits"])
    assert "cut.pcap: " in judge("--policy", "roundrobin", *SERVERS, tmp_path / "cut.pcap").stdout


def test_shares_over_time_show_the_outage_and_add_up(runs):
    doc = document(*WRANDOM, *captures(runs("blog"), "LB1", "LB2"))[1]
    slices = doc["foreign"]["slices"]
    assert sum(s["queries"] for s in slices) == sum(b["queries"] for b in
                                                    doc["foreign"]["backends"])
    assert 450000 < slices[0]["share_ppm"]["DNS1"] < 550000
    assert min(s["share_ppm"]["DNS1"] for s in slices) == 0
    assert all(s["to_ns"] == t["from_ns"] for s, t in zip(slices, slices[1:]))


def test_balancers_that_are_named_are_the_only_ones(runs):
    run = runs("blog")
    args = [*WRANDOM, "--balancer", "LB1=192.160.102.2", *captures(run, "DNS1", "DNS3")]
    doc = document(*args)[1]
    assert [b["name"] for b in doc["foreign"]["balancers"]] == ["LB1"]
    assert doc["foreign"]["counted"]["from_others"] > 1000
    assert "192.160.102.3" not in judge(*args).stdout


def test_a_window_judges_what_is_in_it(runs):
    run = runs("blog")
    all_of_it = document(*WRANDOM, *captures(run, "LB1"))[1]
    part = document(*WRANDOM, "--from", "1s", "--to", "3s", *captures(run, "LB1"))[1]
    count = [d["expectations"][0]["measured"]["queries"] for d in (all_of_it, part)]
    assert 800 < count[1] < 1300 < count[0]


# ---- reports ----

def test_out_has_the_files_of_a_run_s_directory(runs, tmp_path):
    out = tmp_path / "report"
    done = judge(*WRANDOM, "--out", out, *captures(runs("blog"), "LB1", "LB2"))
    assert done.returncode == ek.PASS, done.stderr
    assert sorted(os.listdir(out)) == ["junit.xml", "report.html", "report.tap", "report.txt",
                                       "verdict.json"]
    doc = json.loads((out / "verdict.json").read_text())
    assert doc["verdict"] == "PASS" and doc["scenario"] == "LB1.pcap and 1 more"
    assert "seed" not in (out / "junit.xml").read_text() + (out / "report.tap").read_text()
    for name in ("report.txt", "report.html"):
        text = (out / name).read_text()
        assert "answers of" in text and "from between" in text, name
    assert "DNS1" in done.stdout and "by chance" in done.stdout.lower()


def test_evidence_names_the_packet_of_its_file(runs):
    run = runs("blog")
    doc = document("--policy", "firstAvailable", *SERVERS, *captures(run, "LB2", "LB1"))[1]
    evidence = doc["expectations"][0]["evidence"][0]
    assert evidence["pcap"] in [str(p) for p in captures(run, "LB1", "LB2")]
    tshark = subprocess.run([ek.tool("tshark"), "-r", evidence["pcap"], "-Y",
                             f"frame.number=={evidence['frame']}", "-T", "fields", "-e", "ip.dst"],
                            capture_output=True, text=True, timeout=60)
    assert tshark.stdout.strip() == "192.0.2.4", tshark.stderr


# ---- mistakes ----

@pytest.mark.parametrize("args, says", [
    (["--policy", "random", *SERVERS, "x"], "--policy random: expected wrandom, roundrobin"),
    (["--policy", "wrandom", "x"], "no server given: expected --backend"),
    ([*SERVERS, "x"], "no policy given"),
    ([*WRANDOM], "no capture given"),
    ([*WRANDOM, "--backend", "DNS5", "x"], "--backend DNS5: expected NAME=ADDR[,WEIGHT]"),
    ([*WRANDOM, "--backend", "DNS5=192.0.2", "x"], "--backend DNS5=192.0.2: expected an address"),
    ([*WRANDOM, "--backend", "DNS5=192.0.2.5,0", "x"], "expected a weight 1...2147483647"),
    ([*WRANDOM, "--backend", "DNS5=192.0.2.5,x", "x"], "expected a weight 1...2147483647"),
    ([*WRANDOM, "--backend", "DNS1=192.0.2.5", "x"], "expected a name that no other one has"),
    ([*WRANDOM, "--backend", "DNS5=192.0.2.4", "x"], "server DNS5: 192.0.2.4:53 is another"),
    ([*WRANDOM, "--balancer", "192.0.2.1:53", "x"], "--balancer 192.0.2.1:53: expected [NAME=]A"),
    ([*WRANDOM, "--balancer", "A=192.0.2.1", "--balancer", "B=192.0.2.1", "x"], "balancer B: its"),
    ([*WRANDOM, "--catch", "0.3", "x"], "--catch 0.3: expected at most 0.25, half the smallest"),
    ([*WRANDOM, "--catch", "0", "x"], "--catch 0: expected a number above 0"),
    ([*WRANDOM, "--flake", "2", "x"], "--flake 2: expected a number above 0, at most 0.1"),
    ([*WRANDOM, "--from", "10", "x"], "--from 10: expected a time with its unit"),
    ([*WRANDOM, "--from", "10s", "--to", "5s", "x"], "--to: expected a time after --from"),
    ([*WRANDOM, "--lag", "2s", "x"], "--lag: expected at most 1s"),
    ([*WRANDOM, "--epochs", "all", "x"], "--epochs all: expected auto, traffic or none"),
    ([*WRANDOM, "--config", "{conf}", "x"], "--backend and --config: expected one of them"),
    (["--config", "/nowhere.conf", "x"], "/nowhere.conf"),
    ([*WRANDOM, "/nowhere.pcap"], "/nowhere.pcap"),
    ([*WRANDOM, "{conf}"], "dnsdist.conf"),
    ([*WRANDOM, "-", "-"], "- twice"),
])
def test_a_mistake_is_one_line_and_status_2(args, says):
    conf = str(ek.SCENARIOS / "blog/dnsdist.conf")
    done = judge(*[conf if a == "{conf}" else a for a in args], stdin=subprocess.DEVNULL)
    assert done.returncode == ek.USAGE and done.stdout == ""
    assert says in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_servers_that_nobody_asks_make_it_invalid(runs):
    status, doc = document("--policy", "wrandom", "--backend", "A=192.0.2.77", "--backend",
                           "B=192.0.2.78", *captures(runs("blog"), "LB1"))
    assert status == ek.INVALID
    assert "are their addresses right?" in doc["invalid"][0]


def test_too_many_that_ask_are_no_balancers(tmp_path):
    """The clients' side, with balancers taken for servers."""
    run = ek.run(ek.SCENARIOS / "blog.lua", tmp_path / "run", "--engine", "virtual", "--set",
                 "lab.clients.count=100")
    done = judge("--policy", "wrandom", "--backend", "A=192.160.102.2", "--backend",
                 "B=192.160.102.3", *captures(run, "clients"))
    assert done.returncode == ek.USAGE
    assert "more than 64 addresses ask the servers: name the balancers" in done.stderr
