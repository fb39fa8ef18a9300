#!/usr/bin/env python3
"""Vectors of the SRP-6a variant of Luanti (util/srp.cpp, util/auth.cpp), computed from its
formulas with nothing but Python's integers and hashlib. Writes them to standard output:

    python3 vectors.py > vectors.txt

One vector a line: name, password, salt, a, b, v, A, B, M; all but the name in hexadecimal.
"""
import base64
import hashlib

# RFC 5054, appendix A, 2048-bit group.
N = int(
    "AC6BDB41324A9A9BF166DE5E1389582FAF72B6651987EE07FC3192943DB56050A37329CBB4A099ED"
    "8193E0757767A13DD52312AB4B03310DCD7F48A9DA04FD50E8083969EDB767B0CF6095179A163AB3"
    "661A05FBD5FAAAE82918A9962F0B93B855F97993EC975EEAA80D740ADBF4FF747359D041D5C33EA7"
    "1D281E446B14773BCA97B43A23FB801676BD207A436C6481F1D2B9078717461A5B9D32E688F87748"
    "544523B524B0D57D5EA77A2775D2ECFA032CFBDBF52FB3786160279004E57AE6AF874E7303CE5329"
    "9CCC041C7BC308D82A5698F3A8D0C38271AE35F8E9DBFBB694B5C803D89F7AE435DE236D525F5475"
    "9B65E372FCD68EF20FA7111F9E4AFF73",
    16,
)
G = 2


def h(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def minimal(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


def pad(n):
    return n.to_bytes(256, "big")


def number(data):
    return int.from_bytes(data, "big")


def vector(name, password, salt, a, b):
    lower = name.translate({c: c + 32 for c in range(65, 91)}).encode()
    x = number(h(salt, h(lower, b":", password)))
    v = pow(G, x, N)
    k = number(h(pad(N), pad(G)))
    big_a = pow(G, number(a), N)
    big_b = (k * v + pow(G, number(b), N)) % N
    u = number(h(pad(big_a), pad(big_b)))
    client = pow((big_b - k * pow(G, x, N)) % N, number(a) + u * x, N)
    server = pow(big_a * pow(v, u, N), number(b), N)
    assert client == server
    key = h(minimal(server))
    mixed = bytes(i ^ j for i, j in zip(h(minimal(N)), h(minimal(G))))
    m = h(mixed, h(name.encode()), salt, minimal(big_a), minimal(big_b), key)
    fields = [password, salt, a, b, minimal(v), minimal(big_a), minimal(big_b), m]
    print(name, *(field.hex() or "-" for field in fields))


def random(*seed):
    """Bytes that are the same every time."""
    return h("/".join(map(str, seed)).encode())


def legacy(name, password):
    return base64.b64encode(hashlib.sha1((name + password).encode()).digest()).rstrip(b"=")


NAMES = ["Alice", "alice", "A", "ABCDEFGHIJKLMNOPQRST", "x_-9", "MiXeD"]
PASSWORDS = [b"secret", b"", "pässwörd ☃".encode(), b"x" * 200, b":colon:"]
for i, name in enumerate(NAMES):
    for j, password in enumerate(PASSWORDS):
        salt = random("salt", i, j)[: [16, 1, 32, 8, 20][j]]
        vector(name, password, salt, random("a", i, j), random("b", i, j))
    vector(name, legacy(name, "old"), random("l", i)[:16], random("la", i), random("lb", i))
# Numbers that begin with a zero byte, which padding must not touch where they are minimal.
found = {"A": 0, "B": 0, "v": 0}
count = 0
while min(found.values()) < 2:
    count += 1
    salt, a, b = (random(what, count) for what in ("s", "a", "b"))
    salt = salt[:16]
    x = number(h(salt, h(b"zero:", b"pw")))
    v = pow(G, x, N)
    big_a = pow(G, number(a), N)
    big_b = (number(h(pad(N), pad(G))) * v + pow(G, number(b), N)) % N
    for what, value in [("A", big_a), ("B", big_b), ("v", v)]:
        if len(minimal(value)) < 256 and found[what] < 2:
            found[what] += 1
            vector("zero", b"pw", salt, a, b)
