#!/usr/bin/python3
"""A smarthost for etc/quickstart: takes every message on a loopback port and keeps it as a file.

    quickstart-smarthost.py DIRECTORY PORT-FILE

It neither logs in nor encrypts nor passes anything on. For trying things out only.
"""

import os
import socketserver
import sys
import threading


class Session(socketserver.StreamRequestHandler):
    timeout = 600

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.say("220 smarthost.example.net ESMTP")
            while self.one_command():
                pass
        except OSError:
            pass

    def one_command(self):
        line = self.rfile.readline(4096)
        verb = line[:4].upper()
        if not line or verb == b"QUIT":
            if line:
                self.say("221 2.0.0 bye")
            return False
        if verb == b"EHLO":
            self.say("250-smarthost.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                     "250 ENHANCEDSTATUSCODES")
        elif verb in (b"HELO", b"MAIL", b"RCPT", b"RSET", b"NOOP"):
            self.say("250 2.0.0 ok")
        elif verb == b"DATA":
            self.say("354 go on")
            self.keep(self.content())
        else:
            self.say("502 5.5.1 not here")
        return True

    def content(self):
        lines = []
        while True:
            line = self.rfile.readline()
            if not line:
                raise OSError("the connection ended within a message")
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)

    def keep(self, content):
        with self.server.lock:
            self.server.count += 1
            name = "%06d.eml" % self.server.count
            # Hidden until it is whole.
            hidden = os.path.join(self.server.directory, "." + name)
            with open(hidden, "wb") as f:
                f.write(content)
            os.rename(hidden, os.path.join(self.server.directory, name))
        self.say("250 2.0.0 kept as " + name)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, directory):
        self.directory = directory
        self.lock = threading.Lock()
        self.count = max([int(n[:6]) for n in os.listdir(directory) if n[:6].isdigit()], default=0)
        super().__init__(("127.0.0.1", 0), Session)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    directory, port_file = sys.argv[1:]
    with Server(directory) as server:
        with open(port_file + ".new", "w") as f:
            f.write("%d\n" % server.server_address[1])
        os.rename(port_file + ".new", port_file)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
