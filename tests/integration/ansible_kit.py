"""What the tests of the roles share: ansible-playbook as a user runs it on an environment, and what it said."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.integration.hosts_kit import ROOT, Environment, Result

BIN = Path(sys.executable).parent
SITE = ROOT / "roles" / "site.yml"


class Played(Environment):
    """A cluster.yml, and Ansible's runs on it; pyinfra's are those of `Environment`."""

    def play(self, *options: str, playbook: Path | str = SITE, timeout: float = 300) -> AnsibleResult:
        """One run of ansible-playbook to its end."""
        spec = self.directory / "cluster.yml"
        words = [str(BIN / "ansible-playbook"), "-i", str(spec), str(playbook), *options]
        return self.ansible(*words, timeout=timeout)

    def ansible(self, *words: str, timeout: float = 120, **more: str) -> AnsibleResult:
        """Any of Ansible's programs, from the environment's directory, with the checkout's ansible.cfg."""
        environ = self.environ() | {
            "LC_ALL": "C.UTF-8",
            "PATH": f"{BIN}:{self.environ().get('PATH', '')}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.directory / ".ansible"),
            "ANSIBLE_NOCOLOR": "1",
            **more,
        }
        done = subprocess.run(
            words,
            cwd=self.directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return AnsibleResult(done.returncode, done.stdout, done.stderr)


class AnsibleResult(Result):
    """How a run of Ansible's ended, and what it said."""

    def counted(self, what: str) -> dict[str, int]:
        """By host, the number that the recap gives for `what`: ok, changed, unreachable, failed."""
        return {m[1]: int(m[2]) for m in re.finditer(rf"^(\S+)\s+: .*\b{what}=(\d+)", self.out, re.MULTILINE)}

    @property
    def changed_nothing(self) -> bool:
        """Whether every host's recap counts no change."""
        counts = self.counted("changed")
        return self.code == 0 and bool(counts) and not any(counts.values())
