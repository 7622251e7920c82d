"""What was measured on: processors, kernel, versions."""

import os
import platform
import re
import subprocess

from rig import exim


def said(argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20,
                              check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def first_in(pattern, text):
    found = re.search(pattern, text, re.M)
    return found.group(1).strip() if found else ""


def text_of(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def describe():
    return {
        "processors": len(os.sched_getaffinity(0)),
        "processor": first_in(r"^model name\s*:\s*(.*)$", text_of("/proc/cpuinfo")) or platform.machine(),
        "memory_mb": int(first_in(r"^MemTotal:\s*(\d+)", text_of("/proc/meminfo")) or 0) // 1024,
        "kernel": platform.release(),
        "system": first_in(r'^PRETTY_NAME="?([^"\n]*)', text_of("/etc/os-release")),
        "load_before": os.getloadavg()[0],
    }


def versions(build):
    """Of whatever is here of all that may be measured."""
    out = {
        "postern": first_in(r"(\d[^\s]*)", said([os.path.join(build, "src", "main", "posternd"), "--version"])),
        "postfix": first_in(r"=\s*(\S+)", said(["postconf", "-d", "mail_version"])),
        "dovecot": first_in(r"^(\S+)", said(["dovecot", "--version"])),
        "exim": first_in(r"^Exim version (\S+)", said([exim.PROGRAM, "-bV"])),
        "gnutls": first_in(r"^(\S+)", said(["pkg-config", "--modversion", "gnutls"])),
        "libuv": first_in(r"^(\S+)", said(["pkg-config", "--modversion", "libuv"])),
        "commit": said(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "--short", "HEAD"]),
    }
    return {name: text for name, text in out.items() if text}
