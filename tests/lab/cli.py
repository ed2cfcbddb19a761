"""The lab's command line: `python -m tests.lab VERB`, from the top of a checkout, as root."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from tests.lab.common import LabError
from tests.lab.lab import Lab
from tests.lab.root import SUITES, ensure_layers


def main(argv: list[str] | None = None) -> int:
    """Run one verb; 0 done, 1 failed (the reason on stderr), else the exit code of the command that `exec` ran."""
    options = _parser().parse_args(argv)
    lab = Lab(options.lab, say=lambda text: print(f"lab: {text}", file=sys.stderr, flush=True))
    reason = Lab.available()
    try:
        if reason:
            raise LabError(reason)
        return _do(options, lab)
    except BrokenPipeError:
        return 1
    except LabError as error:
        print(f"lab: ERROR: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--lab", help="which lab, if there are several (default: $SHARDWRIGHT_LAB, or 'lab')")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, about: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=about, description=about)

    for name, about in (("build", "make the cached root"), ("up", "have hosts h1..hN running")):
        each = verb(name, about)
        if name == "up":
            each.add_argument("count", type=int, nargs="?", default=6, metavar="N")
            each.add_argument("--fresh", action="store_true", help="throw away what the hosts hold")
        each.add_argument("--suite", choices=SUITES, default="bookworm")
    verb("down", "end all hosts and remove them")
    for name, about in (
        ("restart", "reboot hosts"),
        ("reset", "reimage hosts"),
        ("stop", "lose hosts: cut off, then killed"),
        ("start", "boot stopped hosts"),
        ("isolate", "cut hosts off from everything"),
        ("heal", "lift the network faults of hosts"),
    ):
        verb(name, about).add_argument("hosts", nargs="+", metavar="HOST")
    run = verb("exec", "run a command in a host as root, not by way of ssh: exec HOST -- CMD")
    run.add_argument("host")
    run.add_argument("command", nargs="+", metavar="CMD")
    ssh = verb("ssh", "open ssh to a host as deploy")
    ssh.add_argument("host")
    ssh.add_argument("command", nargs="*", metavar="CMD")
    verb("list", "one line per host")
    verb("inventory", "what a deployer needs, as JSON")
    verb("known_hosts", "the path of the known_hosts file")
    return parser


def _do(options: argparse.Namespace, lab: Lab) -> int:
    match options.verb:
        case "build":
            ensure_layers(options.suite, lab._say)
        case "up":
            begun = time.monotonic()
            make = lab.fresh if options.fresh else lab.ensure
            hosts = make(options.count, options.suite)
            print(f"lab: {len(hosts)} hosts up in {time.monotonic() - begun:.1f} s")
        case "down":
            lab.down()
        case "restart" | "reset" | "stop" | "start":
            getattr(lab, options.verb)(*options.hosts)
        case "isolate":
            for host in options.hosts:
                lab.faults.isolate(host)
        case "heal":
            lab.faults.heal(*options.hosts)
        case "exec":
            machine = lab.host(options.host).machine
            words = [*machine.entry(), *options.command]
            return os.spawnvp(os.P_WAIT, words[0], words)
        case "ssh":
            words = [*lab.host(options.host).ssh_words(), *options.command]
            return os.spawnvp(os.P_WAIT, words[0], words)
        case "list":
            for host in lab.hosts:
                state = "running" if host.machine.leader() else "stopped"
                print(f"{host.name:5} {host.address:15} zone {host.zone}  {state:8} {host.machine.record().suite}")
        case "inventory":
            print(json.dumps([host.facts() for host in lab.hosts], indent=2))
        case "known_hosts":
            print(lab.known_hosts)
    return 0
