# SPDX-License-Identifier: BSD-3-Clause
"""Captured traffic for end-to-end tests, written by hand: packets, capture files, and some queries
with their answers."""
import random
import struct

import dns.flags
import dns.message
import dns.rcode

CLIENT, SERVERS = "192.0.2.%d", ("198.51.100.1", "198.51.100.2")
START = 1_700_000_000


def ipv4(address):
    return bytes(int(part) for part in address.split("."))


def udp(src, sport, dst, dport, payload):
    """An IPv4 packet; nobody looks at sums."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, ipv4(src),
                       ipv4(dst))
    return head + struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp(src, sport, dst, dport, seq, flags, payload=b""):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, ipv4(src),
                       ipv4(dst))
    return head + struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 65535, 0,
                              0) + payload


def ethernet(packet):
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + packet


def pcap(packets, link=1, nano=True):
    """packets: (seconds, bytes)."""
    out = struct.pack("<IHHiIII", 0xa1b23c4d if nano else 0xa1b2c3d4, 2, 4, 0, 0, 262144, link)
    for t, data in packets:
        part = round((t - int(t)) * (1e9 if nano else 1e6))
        out += struct.pack("<IIII", START + int(t), part, len(data), len(data)) + data
    return out


def message(i, name, kind="A"):
    return dns.message.make_query(name, kind, id=i)


def answered(query, rcode=dns.rcode.NOERROR):
    answer = dns.message.make_response(query)
    answer.set_rcode(rcode)
    return answer.to_wire()


def traffic():
    """Packets of 200 queries in 20 s: over UDP, every tenth over TCP, every twentieth unanswered,
    answers 1 ms after from the first server and 3 ms after from the second, some NXDOMAIN."""
    packets = []
    for i in range(200):
        t, server = i / 10, SERVERS[i % 4 == 3]
        client, port = CLIENT % (1 + i % 10), 20000 + i
        query = message(i, f"n{i % 7}.example.org", "AAAA" if i % 5 == 0 else "A")
        later = t + (0.001 if server == SERVERS[0] else 0.003)
        reply = answered(query, dns.rcode.NXDOMAIN if i % 8 == 0 else dns.rcode.NOERROR)
        silent = i % 20 == 7
        if i % 10 == 1:
            q = query.to_wire()
            q = struct.pack("!H", len(q)) + q
            reply = struct.pack("!H", len(reply)) + reply
            packets += [(t, tcp(client, port, server, 53, 100, 2)),
                        (t, tcp(server, 53, client, port, 900, 18)),
                        (t, tcp(client, port, server, 53, 101, 24, q[:11])),
                        (t, tcp(client, port, server, 53, 112, 24, q[11:])),
                        (later, tcp(server, 53, client, port, 901, 24, reply)),
                        (later, tcp(server, 53, client, port, 901, 24, reply))]
            continue
        packets.append((t, udp(client, port, server, 53, query.to_wire())))
        if not silent:
            packets.append((later, udp(server, 53, client, port, reply)))
    return sorted(packets, key=lambda p: p[0])


def office(n=600, rate=150, seed=5, clients=("192.160.102.%d", range(130, 180)),
           servers=("192.160.102.2", "192.160.102.3")):
    """Packets of n queries without answers: by Poisson, A and AAAA of a name one right after the
    other, with and without EDNS, DO and CD; a fifth over TCP, several on a connection."""
    draw = random.Random(seed)
    packets, open_, t, host = [], [], 0.0, clients[1]
    for i in range(n):
        # every fourth comes 20 us after the one before, from the same client and another port
        t, client = ((t + 0.00002, client) if i % 4 == 1 else
                     (t + draw.expovariate(rate), clients[0] % draw.choice(host)))
        query = dns.message.make_query(
            f"n{draw.randrange(200)}.example.", draw.choice(["A", "AAAA", "MX"]),
            use_edns=draw.choice([False, 0]), want_dnssec=draw.random() < 0.3)
        query.id = draw.randrange(65536)
        query.flags |= dns.flags.CD if draw.random() < 0.2 else 0
        wire, server = query.to_wire(), draw.choice(servers)
        if draw.random() < 0.8:
            packets.append((t, udp(client, draw.randrange(1024, 65536), server, 53, wire)))
            continue
        if not open_ or draw.random() < 0.3:
            open_.append([client, draw.randrange(1024, 65536), server, 1])
            packets.append((t, tcp(*open_[-1][:3], 53, 0, 2)))
            del open_[:-8]
        c = draw.choice(open_)
        wire = struct.pack("!H", len(wire)) + wire
        packets.append((t + 0.0001, tcp(*c[:3], 53, c[3], 24, wire)))
        c[3] += len(wire)
    return sorted(packets, key=lambda p: p[0])
