# logout.py - logs in on a terminal, runs a command there, and hangs up when its last line has come: logout.py LAST COMMAND...
# LAST is a part of that line. What came is printed; who still has the terminal is sent SIGHUP by the kernel.
import os, pty, sys

pid, fd = pty.fork()
if pid == 0:
    os.execvp("bash", ["bash", "-c", '"$@"; read -r never', "bash"] + sys.argv[2:])
seen = b""
while sys.argv[1].encode() not in seen or not seen.endswith(b"\n"):
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
os.close(fd)
sys.stdout.write(seen.decode(errors="replace").replace("\r", ""))
sys.exit(0 if os.WIFSIGNALED(os.waitpid(pid, 0)[1]) else 1)
