# SPDX-License-Identifier: Apache-2.0
"""Brings a host to what its blueprint says; see plugins/modules/bring.py."""

from __future__ import annotations

from ansible_collections.shardwright.deploy.plugins.plugin_utils.acting import STAGES, Acting, hosts


class ActionModule(Acting):
    """`shardwright.ansible.hosts.bring`."""

    OPTIONS = {
        "spec": {"type": "path", "required": True},
        "host": {"type": "str"},
        "stages": {"type": "list", "elements": "str", "choices": list(STAGES), "default": list(STAGES)},
        "looked": {"type": "dict"},
        "settled": {"type": "bool", "default": False},
        "allow": {"type": "list", "elements": "str", "default": []},
        "apt_lock_wait": {"type": "int", "default": 120},
    }

    def act(self, given, task_vars):
        return hosts.bring(
            given["spec"],
            self.name_of(given, task_vars),
            self.enter,
            stages=given["stages"],
            looked=given["looked"],
            settled=given["settled"],
            allow=given["allow"],
            check=self._task.check_mode,
            diff=self._task.diff,
            apt_lock_wait=given["apt_lock_wait"],
        )
