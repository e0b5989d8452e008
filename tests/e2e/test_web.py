# SPDX-License-Identifier: BSD-3-Clause
"""The balancer's web server: statuses, headers, who gets in, and what Prometheus thinks of it."""
import base64
import json
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

import ek
from test_balancer import PATIENCE, ask, client, free_port, lab, query, server, until

PROGRAM = ek.program("balancer")
API = "/api/v1/servers/localhost"
SECRETS = 'password="secret", apiKey="apik"'


def can_serve():
    """Whether the program was built with libmicrohttpd."""
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    return "no web server" not in done.stdout


pytestmark = pytest.mark.skipif(not can_serve(), reason="built without libmicrohttpd")


class Web:
    def __init__(self, the_lab, *backends, config=SECRETS, more=""):
        self.dns, self.port = free_port(), free_port()
        self.balancer = the_lab.balancer(
            f'setLocal("127.0.0.1:{self.dns}")\nwebserver("127.0.0.1:{self.port}")\n'
            f"setWebserverConfig({{{config}}})\n{more}" +
            "".join(server(b, f"DNS{i}") for i, b in enumerate(backends)))
        self.balancer.said(f"Webserver launched on 127.0.0.1:{self.port}")
        if backends:
            self.balancer.ready()

    def get(self, path, password=None, key=None, method="GET", data=None):
        """(status, headers, body)"""
        r = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=data)
        if password is not None:
            token = base64.b64encode(f"anybody:{password}".encode()).decode()
            r.add_header("Authorization", f"Basic {token}")
        if key is not None:
            r.add_header("X-API-Key", key)
        try:
            with urllib.request.urlopen(r, timeout=PATIENCE) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read().decode()


def metrics(text):
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_the_metrics_count_and_prometheus_is_content(lab):
    one = lab.backend()
    web = Web(lab, one)
    with client("127.0.0.1", web.dns) as s:
        for _ in range(7):
            ask(s, query())
    status, headers, text = web.get("/metrics", password="secret")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    m = metrics(text)
    where = f'{{server="DNS0",address="{one.where()}"}}'
    assert m["dnsdist_queries"] == m["dnsdist_responses"] == m["dnsdist_frontend_noerror"] == "7"
    assert m["dnsdist_server_queries" + where] == m["dnsdist_server_responses" + where] == "7"
    assert m["dnsdist_server_status" + where] == "1"
    assert m["dnsdist_server_transitions_total" + where] == "0"
    assert m['dnsdist_latency_bucket{le="+Inf"}'] == m["dnsdist_latency_count"] == "7"
    one.silent = True
    web.balancer.said(f"Marking downstream DNS0 ({one.where()}) as 'down'")
    m = metrics(web.get("/metrics", password="secret")[2])
    assert m["dnsdist_server_status" + where] == "0"
    assert m["dnsdist_server_transitions_total" + where] == "1"
    until(lambda: float(metrics(web.get("/metrics", password="secret")[2])
                        ["dnsdist_server_down_seconds_total" + where]) > 0, "time spent down")
    done = subprocess.run([ek.tool("promtool"), "check", "metrics"], input=text, text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_packet_cache_is_counted(lab):
    web = Web(lab, lab.backend(), more='getPool(""):setCache(newPacketCache(100))\n')
    with client("127.0.0.1", web.dns) as s:
        ask(s, query())
    m = metrics(web.get("/metrics", password="secret")[2])
    assert m['dnsdist_pool_cache_size{pool="_default_"}'] == "100"
    assert (m["dnsdist_cache_misses"], m["dnsdist_cache_hits"]) == ("1", "0")
    assert m['dnsdist_pool_cache_misses{pool="_default_"}'] == "1"


def test_the_metrics_of_a_real_dnsdist_have_the_same_names(lab, start, tmp_path):
    """All of ours but the counters that dnsdist hasn't are names of a real dnsdist."""
    web, port, web_port = Web(lab, lab.backend()), free_port(), free_port()
    (tmp_path / "real.conf").write_text(
        f'setLocal("127.0.0.1:{port}")\nsetSecurityPollSuffix("")\n'
        f'webserver("127.0.0.1:{web_port}")\nsetWebserverConfig({{{SECRETS}}})\n'
        'newServer{address="127.0.0.1:9", name="DNS0"}\n')
    p = start(ek.tool("dnsdist"), "--supervised", "--disable-syslog", "-C",
              tmp_path / "real.conf", notify=True)
    p.wait_ready()
    ours = {n.split("{")[0] for n in metrics(web.get("/metrics", key="apik")[2])}
    web.port = web_port
    text = web.get("/metrics", key="apik")[2]
    theirs = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    theirs |= {n.split("{")[0] for n in metrics(text)}
    assert {n for n in ours - theirs if not n.endswith("_total")} == set()
    assert len(ours & theirs) > 40


@pytest.mark.parametrize("path, password, key", [
    ("/metrics", 200, 200), ("/jsonstat?command=stats", 200, 200), ("/jsonstat", 404, 404),
    (API, 200, 200), (API + "/statistics", 401, 200), (API + "/config", 401, 200),
    (API + "/pool?name=", 401, 200), (API + "/pool?name", 401, 200), (API + "/pool", 401, 400),
    (API + "/pool?name=x", 401, 404), ("/nope", 404, 404), ("/api/v1/nope", 401, 404),
])
def test_who_gets_what(lab, path, password, key):
    web = Web(lab, lab.backend())
    assert web.get(path)[0] == 401
    assert "Basic" in web.get(path)[1]["WWW-Authenticate"]
    assert web.get(path, password="Secret")[0] == 401
    assert web.get(path, key="secret")[0] == 401
    assert web.get(path, password="secret")[0] == password
    assert web.get(path, key="apik")[0] == key
    if key == 200:
        status, headers, _ = web.get(path, key="apik", method="POST", data=b"x" * 100000)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_the_json_is_dnsdists(lab):
    one = lab.backend()
    web = Web(lab, one)
    with client("127.0.0.1", web.dns) as s:
        ask(s, query())
    status, headers, text = web.get("/jsonstat?command=stats", password="secret")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    stats = json.loads(text)
    assert (stats["queries"], stats["server-policy"]) == (1, "leastOutstanding")
    items = json.loads(web.get(API + "/statistics", key="apik")[2])
    assert {"name": "queries", "type": "StatisticItem", "value": 1} in items
    local = json.loads(web.get(API, key="apik")[2])
    row = local["servers"][0]
    assert (row["name"], row["address"], row["state"], row["queries"], row["weight"]) == (
        "DNS0", one.where(), "up", 1, 1)
    assert local["local"] == f"127.0.0.1:{web.dns}" and local["daemon_type"] == "dnsdist"
    assert json.loads(web.get(API + "/pool?name=", key="apik")[2])["servers"] == local["servers"]
    config = {i["name"]: i["value"] for i in json.loads(web.get(API + "/config", key="apik")[2])}
    assert config["max-outstanding"] == 65535 and "10.0.0.0/8" in config["acl"]


def test_every_answer_has_the_safety_headers(lab):
    web = Web(lab, config=SECRETS + ', customHeaders={["X-Frame-Options"]="", ["X-Own"]="1"}')
    for path, key in (("/metrics", "apik"), ("/metrics", None), ("/nope", "apik")):
        headers = web.get(path, key=key)[1]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert headers["X-Frame-Options"] is None and headers["X-Own"] == "1"
    assert Web(lab).get("/metrics")[1]["X-Frame-Options"] == "deny"


def test_a_hashed_password_of_a_real_dnsdist_opens(lab):
    hashed = ("$scrypt$ln=10,p=1,r=8$sqzCFaWl7WZZnBfVylWjIA==$"
              "p3WrrvDj9TTwqr1a2yt0afKxS7Z6o3zYu92VTbLMc0k=") # of "geheim", made by dnsdist 1.7.3
    web = Web(lab, config=f'password="{hashed}", apiKey="{hashed}"')
    assert web.get("/metrics", password="geheim")[0] == 200
    assert web.get("/metrics", password="geheim2")[0] == 401
    assert web.get("/metrics", password=hashed)[0] == 401
    assert web.get(API + "/config", key="geheim")[0] == 200


def test_statistics_may_be_open_and_nothing_else_is(lab):
    web = Web(lab, config="statsRequireAuthentication=false")
    assert web.get("/metrics")[0] == web.get("/jsonstat?command=stats")[0] == 200
    assert web.get(API)[0] == web.get(API, password="")[0] == 401
    assert web.get(API + "/config", key="")[0] == 401


def silent(port, request):
    """What a plain socket hears until the server closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        s.settimeout(PATIENCE)
        said = b""
        try:
            s.sendall(request)
            while part := s.recv(4096):
                said += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return said


def test_the_access_list_closes_without_a_word(lab):
    web = Web(lab, config=SECRETS + ', acl="192.0.2.0/24, 2001:db8::/32"')
    assert silent(web.port, b"GET /metrics HTTP/1.0\r\n\r\n") == b""
    assert b"401" in silent(Web(lab).port, b"GET /metrics HTTP/1.0\r\n\r\n")


def test_half_open_clients_and_rubbish_hold_nobody_up(lab):
    one = lab.backend()
    web = Web(lab, one, config=SECRETS + ", maxConcurrentConnections=20")
    lazy = [socket.create_connection(("127.0.0.1", web.port), PATIENCE) for _ in range(10)]
    for i, s in enumerate(lazy):
        s.sendall(b"GET /metr" if i < 5 else b"\x00\xff\r\n\r\n")
    silent(web.port, b"GET /" + b"x" * 200000 + b" HTTP/1.0\r\n\r\n")
    assert web.get("/metrics", password="x" * 20000)[0] == 401
    assert web.get("/metrics", key="apik")[0] == 200
    with client("127.0.0.1", web.dns) as s:
        ask(s, query())
    for s in lazy:
        s.close()


@pytest.mark.parametrize("config, line", [
    ('webserver("a")', "webserver: 'a': expected an IP address, or one with a port"),
    ('setWebserverConfig{passwort="x"}', "setWebserverConfig: unknown key 'passwort': did you "
     "mean 'password'?"),
    ('setWebserverConfig{password="$scrypt$ln=30,p=1,r=8$AA==$AA=="}', "setWebserverConfig: "
     "password: expected $scrypt$ln=N,p=N,r=N$SALT$HASH, of at most 64 MiB"),
    ('setWebserverConfig{acl="nowhere"}', "setWebserverConfig: acl: 'nowhere': expected an IP "
     "address, or one with /BITS"),
    ('setWebserverConfig{customHeaders={["a b"]="c"}}', "setWebserverConfig: customHeaders: 'a b': "
     "expected a header's name"),
])
def test_a_wrong_setting_is_one_line(tmp_path, config, line):
    (tmp_path / "f.conf").write_text(config)
    done = subprocess.run([PROGRAM, "--check-config", "-C", "f.conf"], cwd=tmp_path, text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, f"Fatal Lua error: f.conf:1: {line}\n")
