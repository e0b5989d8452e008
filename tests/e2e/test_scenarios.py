# SPDX-License-Identifier: BSD-3-Clause
"""Our scenarios, in virtual time: each passes with a right system, and fails with one that has the
defect its story is about, by the claim that is about it. scenarios/README.md knows each of them."""
import json
import random
import re
import shlex
import shutil
import subprocess

import pytest

import ek
from test_defects import defective  # noqa: F401, the test-only build
from traffic import SERVERS, ethernet, message, pcap, udp

# (scenario, what is wrong, the claim that must find it)
STORIES = [
    ("as-captured", "answers-made", "answers"),
    ("as-captured", "slow-detect=4", "detect"),
    ("balancer-cache", "cache-off", "cache"),
    ("balancer-cache", "roundrobin-skips=10000", "even"),
    ("balancer-killed-no-retry", "id-reuse", "lost"),
    ("balancer-killed-retry", "client-never-retries", "failover"),
    ("blackhole", "client-never-retries", "lost"),
    ("blips", "failures-add-up", "even"),
    ("blog", "equal-seeds", "even"),
    ("blog", "slow-detect", "detect"),
    ("blog", "never-back", "back"),
    ("blog", "health-off", "lost"),
    ("blog", "wrong-data", "answers"),
    ("blog", "cache-off", "cache"),
    ("blog-ipv6", "slow-detect", "detect"),
    ("both-down", "never-back", "outage"),
    ("both-down-servfail", "servfail-lost", "lost"),
    ("chashed", "rotate-on-down", "policy"),
    ("checks-only", "id-reuse", "lost"),
    ("cold-cache", "cache-off", "cache"),
    ("cut-one-way", "asks-dead", "detect"),
    ("drain", "drain-ignored", "lost"),
    ("duplicates", "answer-twice", "answers"),
    ("few-names", "sticky-names", "policy"),
    ("first-qps", "qps-ignored", "policy"),
    ("first-qps", "order-ignored", "policy"),
    ("flapping", "slow-detect", "detect"),
    ("hang", "health-off", "detect"),
    ("jitter", "id-reuse", "lost"),
    ("late-answers", "health-off", "latency"),
    ("late-answers", "expiry-ticks", "answers"),
    ("lazy-checks", "slow-detect", "detect"),
    ("lazy-checks", "never-back", "back"),
    ("least-idle", "least-ignores-outstanding", "policy"),
    ("least-return", "latency-reset", "overshoot"),
    ("least-slow", "least-ignores-outstanding", "policy"),
    ("lossy-patient", "failures-add-up", "even"),
    ("lossy-link", "client-never-retries", "lost"),
    ("names-whashed", "sticky-names", "policy"),
    ("names-wrandom", "cache-off", "cache"),
    ("overload", "never-back", "latency"),
    ("partly-slow", "answer-late=400", "latency"),
    ("patient", "slow-detect", "detect"),
    ("quick", "health-off", "detect"),
    ("replay", "slow-detect", "detect"),
    ("replay", "weights=35", "even"),
    ("replay-ipv6", "health-off", "detect"),
    ("replay-tcp", "never-back", "back"),
    ("replay-tcp", "weights=35", "even"),
    ("reserve", "health-off", "detect"),
    ("rolling-restart", "never-back", "outage"),
    ("rolling-restart", "client-never-retries", "lost"),
    ("roundrobin", "roundrobin-skips", "even"),
    ("search", "weights=35", "even"),
    ("second-failure", "never-back", "back"),
    ("servfail", "servfail-lost", "lost"),
    ("set-down", "asks-dead", "lost"),
    ("silent-loss", "id-reuse", "lost"),
    ("slow-start", "slow-start-off", "overshoot"),
    ("slow-start", "never-back", "back"),
    ("tcp", "never-back", "back"),
    ("tcp-checks", "health-off", "detect"),
    ("tcp-checks", "never-back", "back"),
    ("tcp-dead", "weights=80", "even"),
    ("timeout-servfail", "servfail-lost", "lost"),
    ("trigger", "health-off", "detect"),
    ("udp-retry", "retry-same", "lost"),
    ("weights", "weights", "even"),
    ("whashed", "sticky-names", "policy"),
]
LONG = {"hundred", "three-days"}  # a minute of a processor and more for each run
NAMES = sorted(p.stem for p in ek.SCENARIOS.glob("*.lua"))


def sweep(tmp_path, program, name, seeds, *args):
    """(exit status, seeds.json) of a few seeds."""
    done = subprocess.run([program, "seeds", "--seeds", f"1..{seeds}", "--json", *args,
                           "--out", tmp_path / "out", ek.SCENARIOS / f"{name}.lua"],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode in (ek.PASS, ek.FAIL, ek.INCONCLUSIVE, ek.INVALID), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in LONG])
def test_a_right_system_passes(tmp_path, name):
    status, doc = sweep(tmp_path, ek.program("evenkeel"), name, 3)
    assert status == ek.PASS and doc["verdicts"]["PASS"] == 3, doc["verdicts"]


@pytest.mark.parametrize("name, defect, kind", STORIES)
def test_a_wrong_one_fails(tmp_path, defective, name, defect, kind):  # noqa: F811
    status, doc = sweep(tmp_path, defective, name, 2, "--defect", defect)
    assert status == ek.FAIL and doc["verdicts"]["FAIL"] == 2, doc["verdicts"]
    failed = {e["kind"] for e in doc["expectations"] if e["verdicts"]["FAIL"] == 2}
    assert kind in failed, failed


# hundred.lua with as many queries as can be decided: a tenth, and with so few, fewer from caches
FEW = [a for v in ("load.rate=9000", "expect.even.catch=0.0049", "expect.cache.hits=0.35")
       for a in ("--set", v)]


def test_a_hundred_recursors_pass(tmp_path):
    status, doc = sweep(tmp_path, ek.program("evenkeel"), "hundred", 1, *FEW)
    assert status == ek.PASS and doc["verdicts"]["PASS"] == 1, doc["verdicts"]


def test_a_hundred_that_never_come_back_fail(tmp_path, defective):  # noqa: F811
    status, doc = sweep(tmp_path, defective, "hundred", 1, *FEW, "--defect", "never-back")
    assert status == ek.FAIL, doc["verdicts"]
    back = [e["verdicts"]["FAIL"] for e in doc["expectations"] if e["kind"] == "back"]
    assert back == [1], doc["expectations"]


def test_the_long_ones_can_be_decided():
    for name in LONG:
        subprocess.run([ek.program("evenkeel"), "plan", ek.SCENARIOS / f"{name}.lua"], check=True,
                       capture_output=True, timeout=60)


def test_the_table_has_every_scenario():
    assert {name for name, _, _ in STORIES} == set(NAMES) - LONG


def questions():
    text = (ek.SCENARIOS / "README.md").read_text()
    return re.findall(r"^### (\d+)\. (.*?\?)[^\n]*\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)


def test_the_readme_answers_twenty_questions_and_more():
    found = questions()
    assert [int(n) for n, _, _ in found] == list(range(1, len(found) + 1)) and len(found) >= 20
    for n, question, answer in found:
        for part in ("PASS", "FAIL", "*Look at*", ".lua`"):
            assert part in answer, f"{n}. {question}: no {part}"


def test_the_readme_names_each_scenario_and_no_other():
    answers = "".join(answer for _, _, answer in questions())
    assert set(re.findall(r"`([a-z0-9-]+)\.lua`", answers)) == set(NAMES)


def test_what_the_readme_sets_can_be_set():
    text = (ek.SCENARIOS / "README.md").read_text()
    commands = [shlex.split(line) for line in text.splitlines()
                if line.startswith("evenkeel") and "--set" in line]
    assert len(commands) >= 3
    for name, sets in (("cut-one-way", ["at.1.way=in"]), ("patient", ["load.rate=1000"]),
                       ("overload", [f"lab.links.{n}.queue=200000" for n in ("DNS1", "DNS3")])):
        assert all(f"--set {v}" in text for v in sets)
        commands.append(["evenkeel", "plan", *(a for v in sets for a in ("--set", v)),
                         f"scenarios/{name}.lua"])
    for words in commands:
        words = [w for w in words[2:] if w not in ("--engine", "virtual")]
        done = subprocess.run([ek.program("evenkeel"), "plan", *words], capture_output=True,
                              text=True, cwd=ek.ROOT, timeout=60)
        assert done.returncode == 0, done.stderr


def anybody(path):
    """3,001 clients all over IPv4, each asking twice, in 6 s."""
    draw = random.Random(35)
    clients = [f"{draw.randint(1, 223)}.{draw.randint(0, 255)}.{draw.randint(0, 255)}."
               f"{draw.randint(1, 254)}" for _ in range(3001)]
    path.write_bytes(pcap([(i / 1000, ethernet(udp(clients[i % 3001], 4000, SERVERS[0], 53,
                                                   message(i, f"n{i % 50}.example").to_wire())))
                           for i in range(6002)]))


def office(path):
    shutil.copy(ek.ROOT / "pcaps/office/clients.pcap.gz", path)


@pytest.mark.parametrize("name, capture", [("replay", office), ("replay", anybody),
                                           ("as-captured", office)])
def test_the_readme_s_way_to_your_own_capture(tmp_path, name, capture):
    answer = next(a for _, _, a in questions() if f"`{name}.lua`" in a)
    sets, = re.findall(r"`(--set load.replay=/tmp/mine.pcap [^`]*)`", answer)
    mine = tmp_path / "mine.pcap"
    capture(mine)
    status, doc = sweep(tmp_path, ek.program("evenkeel"), name, 1,
                        *sets.replace("/tmp/mine.pcap", str(mine)).split())
    assert status == ek.PASS, doc["expectations"]


@pytest.mark.parametrize("name", NAMES)
def test_a_comment_on_top_says_what_one_learns(name):
    lines = (ek.SCENARIOS / f"{name}.lua").read_text().splitlines()
    head = [line for line in lines[1:12] if line.startswith("-- ")]
    assert len(head) >= 2 and max(map(len, head)) <= 96
