# SPDX-License-Identifier: Apache-2.0
"""What our action plugins share: arguments in, a host's connection for scripts, results and errors out. No logic of ours."""

from __future__ import annotations

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    # Here and not below: the main process imports this file before it forks a worker for every host and task.
    from shardwright.ansible import asking, cluster, hosts, remote, results
except ImportError as error:
    MISSING = str(error)
else:
    MISSING = ""


STAGES = ("engine", "mounts", "ownership", "files", "kernel", "services", "identities")


class Acting(ActionBase):
    """An action whose `OPTIONS` are its argument spec, and whose `act` gives the result."""

    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False
    OPTIONS: dict = {}

    def run(self, tmp=None, task_vars=None):
        """Check the arguments, act, and say of an error all that its reader needs."""
        super().run(tmp, task_vars)
        if MISSING:
            text = (
                f"Ansible's own Python has no shardwright ({MISSING}); hint: install it where ansible-core is installed"
            )
            return {"failed": True, "msg": f"[shardwright-missing] {text}", "code": "shardwright-missing"}
        _, given = self.validate_argument_spec(argument_spec=self.OPTIONS)
        return results.guarded(lambda: self.act(given, task_vars or {}))

    def act(self, given, task_vars):
        """The result of this action."""
        raise NotImplementedError

    def name_of(self, given, task_vars):
        """The host's name in cluster.yml."""
        return given["host"] or task_vars.get("shardwright_host") or task_vars["inventory_hostname"]

    def strategy(self):
        """The play's; no variable has it."""
        play = getattr(getattr(self._task, "_parent", None), "_play", None)
        return str(getattr(play, "strategy", None) or "")

    def enter(self, command, stdin):
        """Run a command on the host; gives exit code, stdout, stderr."""
        try:
            ran = self._low_level_execute_command(command, in_data=stdin)
        except AnsibleError as error:
            raise remote.NoConnection(str(error)) from None
        return ran["rc"], ran["stdout"], ran["stderr"]

    def of_hosts(self, given, task_vars):
        """By host: what the tasks registered whose variables are named in `results`."""
        found = {}
        hostvars = task_vars["hostvars"]
        for host in task_vars.get("ansible_play_hosts_all", []):
            values = [hostvars[host].get(name) for name in given["results"]]
            kept = [value for value in values if isinstance(value, dict) and "host" in value]
            if kept:
                found.setdefault(kept[0]["host"], []).extend(kept)
        return found


__all__ = ["Acting", "STAGES", "asking", "cluster", "hosts"]
