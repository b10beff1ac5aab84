# notify.py - a service manager's ear: notify.py ADDRESS FILE writes each datagram to FILE, a line each ('|' for their line
# ends), until it is killed. ADDRESS is a path, or @name for an abstract socket.
import os, socket, sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
address = sys.argv[1]
s.bind("\0" + address[1:] if address.startswith("@") else address)
with open(sys.argv[2], "a") as out:
    while True:
        words = s.recv(4096).decode()
        out.write(words.replace("\n", "|") + "\n")
        out.flush()
