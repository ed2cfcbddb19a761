# SPDX-License-Identifier: Apache-2.0
"""Ansible's inventory, derived from cluster.yml; the work is `shardwright.ansible.inventory`."""

from __future__ import annotations

DOCUMENTATION = r"""
name: spec
short_description: The hosts of a shardwright cluster.yml
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - Reads C(cluster.yml) itself, where this plugin is among C(enable_plugins) of the section C(inventory) in C(ansible.cfg),
    or a file C(*.shardwright.yml) that names one.
  - All hosts are in the group C(shardwright); those with a zone or rack in C(zone_<name>) and C(rack_<name>).
  - Every host has C(shardwright_spec) (the path) and C(shardwright_host) (its name), and what Ansible needs to reach it.
  - A cluster.yml with mistakes ends the program with exit code 2 and all of them, because an inventory that is skipped
    would leave a play with no hosts, and green.
requirements:
  - the Python package shardwright, where ansible-core is installed
options:
  plugin:
    description: Always C(shardwright.deploy.spec); only in a file that names a cluster.yml.
    type: str
    choices: [shardwright.deploy.spec]
  spec:
    description: Path of cluster.yml, relative to the file that names it.
    type: str
    default: cluster.yml
"""

EXAMPLES = r"""
# ansible.cfg; then: ansible-playbook -i inventories/staging shardwright.deploy.site
# [inventory]
# enable_plugins = shardwright.deploy.spec, host_list, script, auto, yaml, ini, toml
# ignore_extensions = .pyc, .py, .md

# or a file staging.shardwright.yml beside cluster.yml, which needs no such setting
plugin: shardwright.deploy.spec
"""

import os
import sys

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

try:
    from shardwright.ansible import inventory
    from shardwright.errors import ShardwrightError
except ImportError as error:
    MISSING = str(error)
else:
    MISSING = ""


class InventoryModule(BaseInventoryPlugin):
    """The hosts of `shardwright.ansible.inventory`."""

    NAME = "shardwright.deploy.spec"

    def verify_file(self, path):
        """Whether the file is a cluster.yml, or names one."""
        name = os.path.basename(path)
        return super().verify_file(path) and (name == "cluster.yml" or name.endswith("shardwright.yml"))

    def parse(self, inventory_, loader, path, cache=True):
        """Add all hosts."""
        super().parse(inventory_, loader, path, cache)
        if MISSING:
            raise AnsibleParserError(f"[shardwright-missing] Ansible's own Python has no shardwright ({MISSING})")
        spec = path
        if os.path.basename(path) != "cluster.yml":
            self._read_config_data(path)
            spec = os.path.join(os.path.dirname(path), self.get_option("spec"))
        try:
            found = inventory.hosts(spec)
        except ShardwrightError as error:
            print(f"ERROR {error}", file=sys.stderr, flush=True)
            raise SystemExit(error.exit_code) from None
        for host in found:
            for group in host.groups:
                self.inventory.add_group(group)
                self.inventory.add_host(host.name, group=group)
            for name, value in host.variables.items():
                self.inventory.set_variable(host.name, name, value)
