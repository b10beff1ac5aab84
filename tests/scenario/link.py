#!/usr/bin/env python3
"""link.py - a network of two ends, which a test may slow, spoil or cut

Usage: link.py DEVICE FOLDER. Makes DEVICE in the network it is started in, and a network of its own with the other end,
"out"; writes "ready" when both are there. The test finds that network by this process: nsenter -t PID -n. It has no name,
and is gone with the last process in it.

FOLDER/DEVICE.how says how packets fare, and may change at any time: DELAY_MS JITTER_MS LOST_PERCENT TWICE_PERCENT. Jitter
puts packets out of their order. FOLDER/DEVICE.done counts what was done to them: lost=N twice=N late=N.

tc netem does the same, but is a module that many kernels lack; /dev/net/tun is everywhere where networks can be made."""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return fd


class Link:
    def __init__(self, folder, name):
        self.how_path = os.path.join(folder, name + ".how")
        self.done_path = os.path.join(folder, name + ".done")
        self.random = random.Random(name + os.environ.get("SEED", ""))
        self.waiting, self.number = [], 0
        self.done = {"lost": 0, "twice": 0, "late": 0}

    def how(self):
        with open(self.how_path, encoding="ascii") as f:
            return [float(word) for word in f.read().split()]

    def count(self, what):
        self.done[what] += 1
        with open(self.done_path + ".new", "w", encoding="ascii") as f:
            f.write(" ".join(f"{k}={v}" for k, v in self.done.items()) + "\n")
        os.rename(self.done_path + ".new", self.done_path)

    def take(self, packet, to):
        delay, jitter, lost, twice = self.how()
        if self.random.random() * 100 < lost:
            self.count("lost")
            return
        again = self.random.random() * 100 < twice
        if again:
            self.count("twice")
        for _ in range(2 if again else 1):
            ms = max(0.0, delay + self.random.uniform(-jitter, jitter))
            if ms > 0:
                self.count("late")
            self.number += 1
            heapq.heappush(self.waiting, (time.monotonic() + ms / 1000, self.number, to, packet))

    def give(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(self.waiting)
            try:
                os.write(to, packet)
            except OSError:  # that end is down: lost, as on any wire
                self.count("lost")

    def wait(self):
        return None if not self.waiting else max(0.0, self.waiting[0][0] - time.monotonic())


def main():
    name, folder = sys.argv[1:]
    here = tun(name)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) < 0:
        sys.exit("link.py: no network of its own: " + os.strerror(ctypes.get_errno()))
    there = tun("out")
    link = Link(folder, name)
    print("ready", flush=True)
    while True:
        for fd in select.select([here, there], [], [], link.wait())[0]:
            try:
                link.take(os.read(fd, 65536), there if fd == here else here)
            except OSError:  # that end is down: nothing comes from it
                time.sleep(0.01)
        link.give()


main()
