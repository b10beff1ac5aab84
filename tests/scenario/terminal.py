# terminal.py - runs a command on a terminal of its own: terminal.py ROWS COLS 'expect' 'line to type' ... -- COMMAND...
# A line may be "ctrl-c" (the key), "size ROWS COLS" (the window changes), "touch FILE". Waits for each expected text before it types the line; prints all that came; exits as the command does.
import os, pty, sys, select, struct, fcntl, termios, time

at = sys.argv.index("--")
rows, cols = int(sys.argv[1]), int(sys.argv[2])
script = list(zip(sys.argv[3:at:2], sys.argv[4:at:2]))
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
seen, fresh, end = b"", b"", time.time() + 60
while time.time() < end:
    if not select.select([fd], [], [], 1)[0]:
        continue
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
    fresh += data
    while script and script[0][0].encode() in fresh:
        want, word = script.pop(0)
        fresh = fresh[fresh.index(want.encode()) + len(want.encode()):]
        if word == "ctrl-c":
            os.write(fd, b"\x03")
        elif word.startswith("touch "):
            open(word[6:], "w").close()
        elif word.startswith("size "):
            r, c = map(int, word.split()[1:])
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", r, c, 0, 0))
        else:
            os.write(fd, word.encode() + b"\n")
sys.stdout.write(seen.decode(errors="replace").replace("\r", ""))
sys.stdout.flush()
status = os.waitpid(pid, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
