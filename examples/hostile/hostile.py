"""Does what a bad program may do: it forks, hides from its parent, ignores signals and writes files everywhere."""

import os
import signal
import sys
import time
from pathlib import Path

for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)

for place in ("/", "/etc", "/var/tmp", "/dev/shm", "/tmp"):
    try:
        Path(place, sys.argv[1]).write_text("mine")
    except OSError as error:
        print(error)

if sys.argv[2:] == ["bomb"]:
    while True:
        try:
            os.fork()
        except OSError as error:
            print("bomb:", error, flush=True)
            time.sleep(0.1)

for _ in range(20):  # daemons: a session of their own, and a parent that is gone
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            break
        os._exit(0)
else:
    print("all there", flush=True)
time.sleep(600)
