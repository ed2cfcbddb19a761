# SPDX-License-Identifier: Apache-2.0
"""Proves the cluster again; see plugins/modules/verify.py."""

from __future__ import annotations

from ansible.utils.display import Display
from ansible_collections.shardwright.deploy.plugins.plugin_utils.acting import Acting, cluster


class ActionModule(Acting):
    """`shardwright.ansible.cluster.verify`."""

    OPTIONS = {
        "spec": {"type": "path", "required": True},
        "reports": {"type": "path", "default": "reports"},
        "results": {"type": "list", "elements": "str", "default": []},
    }

    def act(self, given, task_vars):
        return cluster.verify(
            given["spec"], hosts=self.of_hosts(given, task_vars), reports=given["reports"], say=Display().display
        )
