"""A real saslauthd in the foreground, in a private directory.

It asks an IMAP server of ours (-a rimap), so that no account of the machine is needed and a slow or
dead back end can be played.
"""

import os
import signal
import socket
import subprocess
import threading

from .base import LOCAL, wait_for


class Imap:
    """Just enough of a server for LOGIN. `stalls`: never answers."""

    def __init__(self, accounts):
        self.accounts = accounts
        self.stalls = False
        self.logins = 0
        self.socket = socket.create_server((LOCAL, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock, sock.makefile("rwb") as f:
            f.write(b"* OK ready\r\n")
            f.flush()
            for line in f:
                words = line.decode("utf-8", "replace").split(None, 2)
                if words[1].upper() == "CAPABILITY":
                    f.write(b"* CAPABILITY IMAP4rev1\r\n%s OK\r\n" % words[0].encode())
                elif words[1].upper() == "LOGIN":
                    self.logins += 1
                    if self.stalls:
                        threading.Event().wait()
                    name, password = self.arguments(words[2])
                    ok = self.accounts.get(name) == password
                    f.write(b"%s %s\r\n" % (words[0].encode(), b"OK" if ok else b"NO wrong"))
                else:
                    f.write(b"%s OK\r\n" % words[0].encode())
                f.flush()

    @staticmethod
    def arguments(text):
        """The two arguments of LOGIN, both quoted strings."""
        out, word, quoted, escaped = [], "", False, False
        for c in text.strip():
            if escaped:
                word, escaped = word + c, False
            elif c == "\\":
                escaped = True
            elif c == '"':
                quoted = not quoted
            elif c == " " and not quoted:
                out.append(word)
                word = ""
            else:
                word += c
        return out + [word]

    def close(self):
        self.socket.close()


class Saslauthd:
    def __init__(self, directory, accounts):
        self.dir = directory
        self.imap = Imap(accounts)
        self.process = None
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)

    @property
    def socket(self):
        return os.path.join(self.dir, "mux")

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(
                ["saslauthd", "-d", "-a", "rimap", "-O", "%s/%d" % (LOCAL, self.imap.port),
                 "-m", self.dir, "-n", "2"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # It ends its whole process group.
                start_new_session=True)
        wait_for(self.listens, "saslauthd to listen")
        return self

    def listens(self):
        """Its socket is there a moment before anybody listens at it."""
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.socket) == 0

    def stop(self):
        self.end()
        self.imap.close()

    def end(self):
        """The daemon goes, its socket file too."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            os.unlink(self.socket)
