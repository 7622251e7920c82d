"""A load balancer in front of the daemon: each connection begins with a header of the PROXY protocol."""

import socket
import struct
import threading

from .base import LOCAL, free_port

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_1(source, destination):
    family = "TCP6" if ":" in source[0] else "TCP4"
    return ("PROXY %s %s %s %d %d\r\n" % (family, source[0], destination[0], source[1], destination[1])).encode()


def version_2(source, destination, extra=b""):
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    body = (socket.inet_pton(family, source[0]) + socket.inet_pton(family, destination[0])
            + struct.pack("!HH", source[1], destination[1]) + extra)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21 if family == socket.AF_INET6 else 0x11, len(body)) + body


LOCAL_2 = SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)


class Proxy:
    """Passes on all that comes; `header` goes first, in one segment with the first octets or alone."""

    def __init__(self, port, header):
        self.header = header
        self.port = free_port()
        self.to = port
        self.listener = socket.create_server((LOCAL, self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            out = socket.create_connection((LOCAL, self.to))
            out.sendall(self.header)
            for a, b in ((sock, out), (out, sock)):
                threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    @staticmethod
    def carry(a, b):
        try:
            while True:
                octets = a.recv(65536)
                if not octets:
                    break
                b.sendall(octets)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()
