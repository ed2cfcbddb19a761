# SPDX-License-Identifier: Apache-2.0
"""Lets running servers take a new password; see plugins/modules/admit.py."""

from __future__ import annotations

from ansible.utils.display import Display
from ansible_collections.shardwright.deploy.plugins.plugin_utils.acting import Acting, cluster


class ActionModule(Acting):
    """`shardwright.ansible.cluster.admit`."""

    OPTIONS = {
        "spec": {"type": "path", "required": True},
        "results": {"type": "list", "elements": "str", "default": []},
    }

    def act(self, given, task_vars):
        return cluster.admit(
            given["spec"],
            hosts=self.of_hosts(given, task_vars),
            check=self._task.check_mode,
            say=Display().display,
        )
