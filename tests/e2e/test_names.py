# SPDX-License-Identifier: BSD-3-Clause
"""Policies that map names to servers, in the real balancer: each name goes where the real dnsdist
sends it with the same configuration, and two balancers of one perturbation agree."""
import random
import string

import pytest

import ek
import test_balancer
from test_balancer import lab  # noqa: F401 (a fixture)

WEIGHTS = (100, 50, 7)
NAMES = 200
HEAD = """setLocal("127.0.0.1:{port}")
setACL("127.0.0.0/8")
setWHashedPertubation({perturbation})
setServerPolicy({policy})
"""


def configuration(backends, policy, perturbation, down, port):
    text = HEAD.format(port=port, policy=policy, perturbation=perturbation)
    for i, (backend, weight) in enumerate(zip(backends, WEIGHTS)):
        uuid = f"0a1b2c3d-0000-4000-8000-{i:012x}"
        text += (f'newServer{{address="{backend.where()}", id="{uuid}", name="S{i}", '
                 f'weight={weight}}}:{"setDown" if i == down else "setUp"}()\n')
    return text


def names():
    """Names of every length up to 60, in both cases, from a seed."""
    r = random.Random(1)
    return ["".join(r.choice(string.ascii_letters) for _ in range(1 + i % 60)) + f"{i}.Example"
            for i in range(NAMES)]


def mapping(lab, backends, policy, perturbation, down):  # noqa: F811
    """{name: index of the backend that was asked}"""
    port = test_balancer.free_port("127.0.0.1")
    lab.balancer(configuration(backends, policy, perturbation, down, port)).ready()
    found = {}
    with test_balancer.client("127.0.0.1", port) as s:
        for name in names():
            before = [len(b.queries) for b in backends]
            test_balancer.ask(s, test_balancer.query(name))
            now = [len(b.queries) for b in backends]
            (found[name],) = [i for i in range(len(backends)) if now[i] > before[i]]
    return found


@pytest.mark.parametrize("policy", ["whashed", "chashed"])
@pytest.mark.parametrize("down", [None, 1])
def test_every_name_goes_where_dnsdist_sends_it(lab, monkeypatch, policy, down):  # noqa: F811
    backends = [lab.backend() for _ in WEIGHTS]
    ours = mapping(lab, backends, policy, 4711, down)
    assert len(set(ours.values())) == (3 if down is None else 2)
    monkeypatch.setattr(test_balancer, "PROGRAM", ek.tool("dnsdist"))
    assert mapping(lab, backends, policy, 4711, down) == ours


def test_a_mapping_is_its_perturbation_s_and_a_server_that_goes_moves_no_other_name(lab):  # noqa
    backends = [lab.backend() for _ in WEIGHTS]
    a, b = (mapping(lab, backends, "chashed", p, None) for p in (1, 2))
    assert a != b
    assert mapping(lab, backends, "chashed", 1, None) == a
    gone = mapping(lab, backends, "chashed", 1, 0)
    assert all(gone[n] == a[n] for n in a if a[n] != 0)
    assert all(gone[n] != 0 for n in a)
