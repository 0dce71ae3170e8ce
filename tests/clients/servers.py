"""Starts an example server on a free port, and ends it by its process id."""

import os
import queue
import re
import subprocess
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


class Server:
    """A running example: `address` is its `host:port`, `stop` ends it."""

    def __init__(self, name, *args, profile="debug"):
        self.name = name
        self._stderr = tempfile.TemporaryFile(mode="w+")
        program = TARGET / profile / "examples" / name
        self._process = subprocess.Popen(
            [program, "127.0.0.1:0", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        # Read on a thread of its own: the wait has a limit, and the pipe never fills up.
        lines = queue.Queue()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()
        try:
            line = lines.get(timeout=20)
        except queue.Empty:
            line = None
        listening = re.fullmatch(r"listening on (\S+:\d+)", line or "")
        if not listening:
            self._end()
            raise RuntimeError(self._report(f"printed {line!r}, not its address"))
        self.address = listening[1]

    def stop(self):
        """Ends the server; fails when it had already ended by itself."""
        status = self._process.poll()
        self._end()
        if status is not None:
            raise RuntimeError(self._report(f"ended by itself with {status}"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self, lines):
        for line in self._process.stdout:
            lines.put(line.strip())
        lines.put(None)

    def _end(self):
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _report(self, what):
        self._stderr.seek(0)
        return f"example {self.name} {what}\n{self._stderr.read()}"
