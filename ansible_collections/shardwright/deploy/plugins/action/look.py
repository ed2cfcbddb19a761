# SPDX-License-Identifier: Apache-2.0
"""Looks at a host; see plugins/modules/look.py."""

from __future__ import annotations

from ansible_collections.shardwright.deploy.plugins.plugin_utils.acting import STAGES, Acting, hosts


class ActionModule(Acting):
    """`shardwright.ansible.hosts.look`."""

    OPTIONS = {
        "spec": {"type": "path", "required": True},
        "host": {"type": "str"},
        "stages": {"type": "list", "elements": "str", "choices": list(STAGES), "default": list(STAGES)},
    }

    def act(self, given, task_vars):
        name = self.name_of(given, task_vars)
        return hosts.look(given["spec"], name, self.enter, stages=given["stages"])
