# SPDX-License-Identifier: Apache-2.0
"""Looks at a host; see plugins/modules/look.py."""

from __future__ import annotations

from ansible_collections.shardwright.deploy.plugins.plugin_utils.acting import STAGES, Acting, asking, hosts


class ActionModule(Acting):
    """`shardwright.ansible.hosts.look`."""

    OPTIONS = {
        "spec": {"type": "path", "required": True},
        "host": {"type": "str"},
        "stages": {"type": "list", "elements": "str", "choices": list(STAGES), "default": list(STAGES)},
        "allow": {"type": "list", "elements": "str", "default": []},
        "reports": {"type": "path"},
    }

    def act(self, given, task_vars):
        play = task_vars["ansible_play_hosts"]
        writes = task_vars["inventory_hostname"] == play[0] and not self._task.check_mode
        asking.judge(
            strategy=self.strategy(),
            batch=task_vars["ansible_play_batch"],
            hosts=play,
            allow=given["allow"],
            reports=(given["reports"] or "") if writes else "",
        )
        name = self.name_of(given, task_vars)
        return hosts.look(given["spec"], name, self.enter, stages=given["stages"])
