# SPDX-License-Identifier: Apache-2.0
"""Keeps copies of the servers' lists of nodes; see plugins/modules/keep.py."""

from __future__ import annotations

from ansible_collections.shardwright.deploy.plugins.plugin_utils.acting import Acting, hosts


class ActionModule(Acting):
    """`shardwright.ansible.hosts.keep`."""

    _supports_check_mode = False

    OPTIONS = {
        "spec": {"type": "path", "required": True},
        "host": {"type": "str"},
        "formed": {"type": "dict", "required": True},
        "looked": {"type": "dict"},
    }

    def act(self, given, task_vars):
        name = self.name_of(given, task_vars)
        return hosts.keep(given["spec"], name, self.enter, formed=given["formed"], looked=given["looked"])
