"""What the commands beside this directory have in common: they bring their programs up to date, find out early
what is missing, and end in order."""

import argparse
import os
import shutil
import signal
import sys
import time

from rig.base import run

from .programs import Trouble

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAMS = ("tests/bench/load", "tests/bench/sink", "tests/bench/floor", "tests/bench/spool-fill",
            "src/main/posternd", "src/main/posternctl")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BEGUN = time.monotonic()


def progress(text):
    spent = int(time.monotonic() - BEGUN)
    sys.stderr.write("%3d:%02d  %s\n" % (spent // 60, spent % 60, text))
    sys.stderr.flush()


def add_build(parser):
    parser.add_argument("--build", default=os.path.join(ROOT, "build-bench"), metavar="DIR",
                        help="a meson build; made as a release build when missing (default: build-bench)")
    parser.add_argument("--no-build", action="store_true", help="take what is in the build directory as it is")


def build(args):
    """So that args.build has all programs, as they are in the source now."""
    args.build = os.path.abspath(args.build)
    if not args.no_build:
        for tool in ("meson", "ninja"):
            if not shutil.which(tool):
                raise Trouble("%s is not installed: sh tests/need build test bench" % tool)
        if not os.path.exists(os.path.join(args.build, "build.ninja")):
            progress("a release build is made in %s, which takes a minute or two" % args.build)
            run(["meson", "setup", args.build, ROOT, "--buildtype=release"])
        run(["ninja", "-C", args.build, *PROGRAMS], seconds=900)
    for program in PROGRAMS:
        if not os.path.exists(os.path.join(args.build, program)):
            raise Trouble("%s has no %s: leave --no-build away" % (args.build, program))


def new_file(path):
    """A file to be written at the end: whether it can be is better known at the beginning."""
    place = path if os.path.exists(path) else os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.access(place, os.W_OK):
        raise argparse.ArgumentTypeError("%s cannot be written" % path)
    return path


def amount(text):
    """How many of what is measured: none would be a report of nothing."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("%s is no whole number from 1 on" % text)
    return int(text)


def end(*_):
    """As at the keyboard; once, so that nothing disturbs the end of what was started."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def in_order(main):
    """The exit status of main(); what a person can mend is said in a line."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
    try:
        return main()
    except KeyboardInterrupt:
        return 130
    except (Trouble, AssertionError, OSError) as e:
        sys.stderr.write("%s: %s\n" % (os.path.basename(sys.argv[0]), e))
        return 1
