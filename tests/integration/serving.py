# SPDX-License-Identifier: MIT
"""A server of 'voicestand serve' for a test: started, waited for, asked to end."""
import re
import socket
import threading

from cli import *

# An engine that needs no model and says how much it got.
COUNT = 'exec:wc -c'


class Served:
    """`with Served('wyoming', '--stt', COUNT) as s`: s.port, or s.path of a Unix socket."""

    def __init__(self, kind, *arguments, listen='127.0.0.1:0', before=(), **more):
        self.said = []
        self.process = subprocess.Popen([*before, COMMAND, 'serve', kind, '--listen', listen, *arguments],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        try:
            wait_until(lambda: self.process.poll() is not None or any('serving' in line for line in self.said),
                       60, 'a server that serves')
            check(self.process.poll() is None, 'it ended:', self.said)
            where = re.search(r' on (unix:)?(\S+?):? ', ' '.join(self.said) + ' ')
            self.path = where.group(2) if where.group(1) else None
            self.port = None if self.path else int(where.group(2).rsplit(':', 1)[1])
        except BaseException:
            self.process.kill()
            raise

    def read(self):
        for line in self.process.stderr:
            self.said.append(line.decode())

    def connect(self, timeout=20):
        if self.path:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(self.path)
            return s
        return socket.create_connection(('127.0.0.1', self.port), timeout)

    def threads(self):
        return len(os.listdir('/proc/%d/task' % self.process.pid))

    def files(self):
        return len(os.listdir('/proc/%d/fd' % self.process.pid))

    def end(self, seconds=10):
        """Ask it to end. Returns how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        equal(self.process.wait(timeout=seconds), 0, self.said)
        self.reader.join(10)
        return time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                if kind is None:
                    raise
        self.reader.join(10)
        if kind is None:
            equal(self.process.returncode, 0, self.said)
            check(not any('Sanitizer' in line for line in self.said), self.said)
