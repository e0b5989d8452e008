# SPDX-License-Identifier: BSD-3-Clause
"""DNS messages as the servers of tests/configs make them and as its records keep them: just enough
of the wire form, so that damaged messages get an answer as well. A server does what the first label
of the name tells it: nx..., servfail..., refused..., silent..., deaf01 (the first one is), cut...
(TC over UDP), other... (another question), lower... (the question in lower case), bare... (a header
alone), empty... (no data)."""
import ipaddress
import struct

A, SOA, AAAA, OPT, AXFR = 1, 6, 28, 41, 252
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
          16: "BADVERS"}
TTL, NEGATIVE_TTL = 300, 60
NET4 = bytes([203, 0, 113])
NET6 = bytes.fromhex("20010db8") + bytes(11)  # 2001:db8::
SOA_DATA = b"\0\0" + struct.pack("!5I", 1, 3600, 600, 86400, NEGATIVE_TTL)


def name_end(m, at):
    """Where the name at that place ends; IndexError when it doesn't."""
    while True:
        n = m[at]
        if n >= 0xc0:
            return at + 2
        at += 1 + n
        if n == 0:
            return at


def name_text(m, at=12):
    """The name at that place in lower case; labels only."""
    labels = []
    while at < len(m) and 0 < m[at] < 64:
        labels.append(m[at + 1:at + 1 + m[at]].decode("latin-1").lower())
        at += 1 + m[at]
    return ".".join(labels)


def records(m):
    """(type, place of its TTL, data) of each record after the questions."""
    qd, an, ns, ar = struct.unpack("!4H", m[4:12])
    at, found = 12, []
    for _ in range(qd):
        at = name_end(m, at) + 4
    for _ in range(an + ns + ar):
        at = name_end(m, at)
        rdtype, _, _, n = struct.unpack("!HHIH", m[at:at + 10])
        found.append((rdtype, at + 4, m[at + 10:at + 10 + n]))
        at += 10 + n
    return found


def record(rdtype, ttl, data, name=b"\xc0\x0c", rdclass=1):
    return name + struct.pack("!HHIH", rdtype, rdclass, ttl, len(data)) + data


def sign(index):
    """Who answered: a TXT record at the end of each answer."""
    text = f"server={index:02}".encode()
    return record(16, TTL, bytes([len(text)]) + text, b"\0")


def answer(m, index, tcp):
    """What server number index says to the message; None: nothing."""
    if len(m) < 12:
        return None
    ident, flags, qd = struct.unpack("!3H", m[:6])
    flags = (flags & 0x7910) | 0x8080
    try:
        end = name_end(m, 12) + 4
        rdtype, = struct.unpack("!H", m[end - 4:end - 2])
        opt = next((m[at:at + 4] for t, at, _ in records(m) if t == OPT), None)
    except (IndexError, struct.error):
        return struct.pack("!6H", ident, flags | 1, 0, 0, 0, 0) if qd == 0 else \
            struct.pack("!2H", ident, flags | 1) + m[4:]
    question, first = m[12:end], name_text(m).split(".")[0]
    body, rcode = b"", 0
    for word, code in (("nx", 3), ("servfail", 2), ("refused", 5)):
        rcode = code if first.startswith(word) else rcode
    if first.startswith("silent") or first == f"deaf{index:02}":
        return None
    if first.startswith("lower"):
        question = question[:-4].lower() + question[-4:]
    if first.startswith("bare"):
        return struct.pack("!6H", ident, flags | (2 if first == "barefail" else 0), 0, 0, 0, 0)
    if first.startswith("other"):
        question = b"\x05wrong\x07example\0" + question[-4:]
    if first.startswith("cut") and not tcp:
        return struct.pack("!6H", ident, flags | 0x0200, 1, 0, 0, 0) + question
    counts = [1, 0, 0, 1]
    if rcode == 3 or first.startswith("empty"):
        body, counts[2] = record(SOA, NEGATIVE_TTL, SOA_DATA, b"\0"), 1
    elif rcode == 0:
        data = {A: NET4 + bytes([index]), AAAA: NET6 + bytes([index]),
                SOA: SOA_DATA, AXFR: SOA_DATA}.get(rdtype, b"\x04data")
        if rdtype == AXFR:
            soa = record(SOA, TTL, SOA_DATA)
            body, counts[1] = soa + record(A, TTL, NET4 + b"\1") + soa, 3
        else:
            body, counts[1] = record(rdtype, TTL, data), 1
    body += sign(index)
    if opt is not None:
        body += b"\0" + struct.pack("!HHB", OPT, 1232, 0) + opt[1:4] + b"\0\0"
        counts[3] += 1
    return struct.pack("!2H", ident, flags | rcode) + struct.pack("!4H", *counts) + question + body


def still(m):
    """The message without what time alone changes: the ID left out, ages of TTLs taken back."""
    m = bytearray(m)
    try:
        for rdtype, at, _ in records(m):
            ttl, = struct.unpack("!I", m[at:at + 4])
            for full in (TTL, NEGATIVE_TTL):
                if rdtype != OPT and full - 20 < ttl < full:
                    struct.pack_into("!I", m, at, full)
    except (IndexError, struct.error):
        pass
    return bytes(m[2:])


def anonymous(m, servers_n):
    """The same without who answered, for policies that draw."""
    for i in range(1, servers_n + 1):
        m = m.replace(f"server={i:02}".encode(), b"server=??")
        for net in (NET4, NET6):
            m = m.replace(net + bytes([i]), net + b"?")
    return m


def described(m):
    """kind, tc and ips of an answer."""
    if len(m) < 12:
        return {"kind": "short", "tc": False, "ips": []}
    flags, = struct.unpack("!H", m[2:4])
    found = {"kind": RCODES.get(flags & 15, str(flags & 15)), "tc": bool(flags & 0x200), "ips": []}
    try:
        found["ips"] = [str(ipaddress.ip_address(d)) for t, _, d in records(m)
                        if t in (A, AAAA) and len(d) in (4, 16)]
    except (IndexError, struct.error):
        pass
    return found


def with_rcode(m, kind):
    """The answer, with another response code."""
    code = next(c for c, k in RCODES.items() if k == kind)
    return m[:3] + bytes([(m[3] & 0xf0) | code]) + m[4:]
