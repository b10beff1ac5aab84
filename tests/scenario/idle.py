"""idle.py SOCKET UID COUNT [slow]: that many connections as that user that say nothing, or half a frame, until its standard input ends.

Prints how many are open, and at the end how many of them were turned away."""
import os
import socket
import struct
import sys

path, uid, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
conns = []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    try:
        if "slow" in sys.argv:
            s.send(struct.pack(">I", 60000) + b"x" * 500)
    except OSError:
        pass  # turned away already: counted below
    conns.append(s)
print("open", len(conns), flush=True)
sys.stdin.read()
gone = 0
for s in conns:
    s.setblocking(False)
    try:
        gone += s.recv(1) is not None
    except BlockingIOError:
        pass
    except OSError:
        gone += 1
print("turned away", gone)
