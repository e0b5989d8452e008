# SPDX-License-Identifier: BSD-3-Clause
"""tests/configs: realistic dnsdist files, each run by our balancer and by Debian's dnsdist, byte
for byte, in namespaces of their own, with the same servers and the same questions (pair_lab.py).
Ours must do what the .ask file expects, and both must do the same: answers, silence, which server
is asked and what it is sent, probes. Where they differ the table in tests/configs/README.md says so
and why; a difference that isn't listed fails, and so does a listed one that doesn't show."""
import copy
import json
import os
import re
import shutil
import subprocess

import pytest

import ek
import pair_ask

FOLDER = ek.ROOT / "tests" / "configs"
NAMES = sorted(p.stem for p in FOLDER.glob("*.conf"))
SCRIPTS = {n: pair_ask.read(FOLDER / f"{n}.ask") for n in NAMES}
JOBS = int(os.environ.get("EK_PAIRS", "12"))  # at once: they wait more than they work
BALANCER = ek.program("balancer")
DNSDIST = shutil.which("dnsdist", path=os.environ.get("PATH", "") + ":/usr/bin")


def check(name):
    return subprocess.run([BALANCER, "--check-config", "-C", name], cwd=FOLDER, text=True,
                          capture_output=True, timeout=20, check=False)


def common():
    """The common list's questions, in order."""
    return pair_ask.read(FOLDER / "common.ask", "192.0.2.1", "192.0.2.2").asks()


def work():
    """Which file is run by whom."""
    for name, script in SCRIPTS.items():
        yield f"ours:{script.path}"
        if DNSDIST and not script.only_ours:
            yield f"dnsdist:{script.path}"


def run(out, jobs):
    """Runs them; adds what came of each to {(file, program): ...}."""
    root = [] if os.geteuid() == 0 else ["unshare", "-Ur"]
    done = subprocess.run([*root, "/usr/bin/python3", ek.ROOT / "tests/e2e/pair_lab.py", out,
                           str(JOBS), f"ours={BALANCER},-w,1", f"dnsdist={DNSDIST}", "--", *jobs],
                          capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return {tuple(p.name.rsplit(".", 2)[:2]): json.loads(p.read_text(encoding="utf-8"))
            for p in out.glob("*.json")}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{(file, program): what came of it}"""
    return run(tmp_path_factory.mktemp("pairs"), work())


def outcome(outcomes, name, program):
    """What came of it."""
    found = outcomes.get((name, program))
    if found is None:
        pytest.skip(f"{name} wasn't run by {program}: not there, or it hasn't the feature")
    return found


def errors(*found):
    """Why a run came to no end."""
    return [f"{f['error']}\n{f.get('said')}" for f in found if f["error"]]


def faultless(judge, outcomes, name, folder):
    """judge(outcomes, name) finds nothing; or nothing when the file is run once more, by itself:
    with so many at once a busy machine may be too slow for dnsdist's time-outs, and ours, which
    isn't what this is about. A real fault stays."""
    if judge(outcomes, name):
        outcomes.update(run(folder, [w for w in work() if w.endswith(f"/{name}.ask")]))
    bad = judge(outcomes, name)
    assert not bad, "\n".join(bad)


def asks(name):
    return SCRIPTS[name].asks() + (common() if SCRIPTS[name].odd else [])


EACH = pytest.mark.parametrize("name", NAMES)


# ---- the table of differences ----

def table():
    """(files, question, dnsdist's, ours, why) of each row."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8").split("## Differences")[1]
    for line in text.splitlines():
        cells = [c.strip().strip("`") for c in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "file":
            assert len(cells) == 5, line
            yield cells[0].split(), *cells[1:]


def key(record, routing):
    """What must be the same."""
    return (pair_ask.short(record, routing), record["answer"], record["forwarded"])


def differences(name, theirs, ours):
    """(question, dnsdist's, ours, detail) of what isn't the same."""
    routing, found = SCRIPTS[name].routing, []
    for ask, a, b in zip(asks(name), theirs["lines"], ours["lines"]):
        assert ask.label == a["label"] == b["label"]
        if ask.expect[:1] == ["limit"]:
            continue
        for x, y in zip(a["records"], b["records"]):
            if key(x, routing) == key(y, routing):
                continue
            words = [pair_ask.short(r, routing) for r in (x, y)]
            if words[0] == words[1]:
                parts = "".join(f" [{what}'s bytes]" for what, k in
                                (("answer", "answer"), ("query", "forwarded")) if x[k] != y[k])
                words = [w + parts for w in words]
            if not any(f[:3] == (ask.label, *words) for f in found):
                found.append((ask.label, *words, f"dnsdist {x}\nours    {y}"))
    return found


def fits(pattern, text):
    """A cell of the table; * stands for anything."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None


def listed(rows, name, difference):
    """The rows that speak of the difference."""
    return [r for r in rows if (r[0] == ["all"] or name[:2] in r[0])
            and all(map(fits, r[1:4], difference[:3]))]


# ---- tests ----

def test_every_file_has_its_questions_and_its_row():
    assert len(NAMES) >= 25
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([0-9]{2}-[a-z-]+)` \| \S", readme, re.MULTILINE) == NAMES
    assert sorted(p.stem for p in FOLDER.glob("*.ask")) == sorted([*NAMES, "common"])
    for name in NAMES:
        assert (FOLDER / f"{name}.conf").read_text(encoding="utf-8").startswith("-- "), name
        silent = [a.label for a in SCRIPTS[name].asks() if not a.expect]
        assert not silent, f"{name}: nothing is expected of {silent}"


@EACH
def test_a_file_is_honoured(name):
    for suffix in [".conf"] + [".next"] * SCRIPTS[name].next.exists():
        done = check(name + suffix)
        assert done.returncode == 0
        assert done.stdout.endswith(f"Configuration '{name}{suffix}' OK!\n")


def test_what_a_file_becomes_is_read_again():
    """A .next without a reload, or the other way round, says nothing."""
    reloads = {n for n in NAMES if any(getattr(x, "words", [""])[0] == "reload"
                                       for x in SCRIPTS[n].lines)}
    assert reloads == {p.stem for p in FOLDER.glob("*.next")} != set()


def unwanted(outcomes, name):
    """Where our balancer doesn't do what the file wants."""
    found = outcome(outcomes, name, "ours")
    return errors(found) or [
        f"{ask.label}: {fault}" for ask, line in zip(asks(name), found["lines"])
        for fault in pair_ask.faults(ask, line["records"], line["seconds"])]


def unlisted(outcomes, name):
    """Where the two differ, and the table doesn't say so."""
    theirs, ours = outcome(outcomes, name, "dnsdist"), outcome(outcomes, name, "ours")
    if errors(theirs, ours):
        return errors(theirs, ours)
    rows = list(table())
    bad = [f"| {name[:2]} | `{d[0]}` | {d[1]} | {d[2]} |\n{d[3]}"
           for d in differences(name, theirs, ours) if not listed(rows, name, d)]
    if theirs["probes"] != ours["probes"]:
        bad.append(f"probes: dnsdist {theirs['probes']}, ours {ours['probes']}")
    return bad


@pytest.mark.lab
@EACH
def test_our_balancer_does_what_the_file_wants(outcomes, name, tmp_path):
    faultless(unwanted, outcomes, name, tmp_path)


@pytest.mark.lab
@EACH
def test_dnsdist_does_the_same(outcomes, name, tmp_path):
    faultless(unlisted, outcomes, name, tmp_path)


@pytest.mark.lab
def test_every_listed_difference_shows(outcomes):
    if not DNSDIST:
        pytest.skip("dnsdist isn't installed")
    rows = list(table())
    seen = set()
    for name in NAMES:
        both = [outcomes.get((name, p)) for p in ("dnsdist", "ours")]
        if None in both or any(b["error"] for b in both):
            continue
        for d in differences(name, *both):
            seen |= {(r[1], *r[2:4], f) for r in listed(rows, name, d)
                     for f in (["all"] if r[0] == ["all"] else [name[:2]])}
    both = {n[:2] for n in NAMES if {(n, "ours"), (n, "dnsdist")} <= outcomes.keys()}
    stale = [r for r in rows for f in r[0] if (f == "all" or f in both) and
             (r[1], *r[2:4], f) not in seen]
    assert not stale, stale


@pytest.mark.lab
def test_what_is_changed_in_an_outcome_is_seen(outcomes):
    """The comparison can fail: another byte, another server, an answer that isn't there."""
    ours = outcome(outcomes, "02-small-office", "ours")
    assert differences("02-small-office", ours, ours) == []
    at = next(i for i, a in enumerate(asks("02-small-office")) if "n{}.example.org" in a.label)
    changes = [({"answer": "00"}, "[answer's bytes]"), ({"kind": "silence"}, "silence"),
               ({"forwarded": []}, "[query's bytes]"), ({"servers": ["public"]}, "public")]
    for change, words in changes:
        other = copy.deepcopy(ours)
        other["lines"][at]["records"][3].update(change)
        [(_, theirs, _, _)] = differences("02-small-office", other, ours)
        assert words in theirs
        if "servers" in change or "kind" in change:
            ask = asks("02-small-office")[at]
            assert pair_ask.faults(ask, other["lines"][at]["records"], 0.0)


def test_a_spread_that_chance_doesn_t_explain_is_seen():
    def records(a, b):
        return [{"servers": ["a"]}] * a + [{"servers": ["b"]}] * b
    assert pair_ask.spread_faults(records(150, 150), {"a": 1, "b": 1}) == []
    assert pair_ask.spread_faults(records(215, 85), {"a": 3, "b": 1}) == []
    assert pair_ask.spread_faults(records(150, 150), {"a": 3, "b": 1})
    assert pair_ask.spread_faults(records(300, 0), {"a": 1, "b": 1})
    assert pair_ask.spread_faults(records(299, 1), {"a": 1})
