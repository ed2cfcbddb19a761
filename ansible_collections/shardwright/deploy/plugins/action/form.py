# SPDX-License-Identifier: Apache-2.0
"""Forms the cluster and proves it; see plugins/modules/form.py."""

from __future__ import annotations

from ansible.utils.display import Display
from ansible_collections.shardwright.deploy.plugins.plugin_utils.acting import Acting, cluster


class ActionModule(Acting):
    """`shardwright.ansible.cluster.form`."""

    OPTIONS = {
        "spec": {"type": "path", "required": True},
        "allow": {"type": "list", "elements": "str", "default": []},
        "restart": {"type": "bool", "default": True},
        "admitted": {"type": "list", "elements": "str", "default": []},
        "reports": {"type": "path", "default": "reports"},
        "results": {"type": "list", "elements": "str", "default": []},
    }

    def act(self, given, task_vars):
        return cluster.form(
            given["spec"],
            hosts=self.of_hosts(given, task_vars),
            allow=given["allow"],
            reports=given["reports"],
            restart=given["restart"],
            admitted=given["admitted"],
            check=self._task.check_mode,
            say=Display().display,
        )
