# SPDX-License-Identifier: Apache-2.0
"""The blueprint of a host as data; the work is `shardwright.ansible.blueprints`."""

from __future__ import annotations

DOCUMENTATION = r"""
name: blueprint
short_description: What a host of a shardwright cluster needs, as data
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - Packages or bundle, user, directories, files with their finished text, mounts, kernel settings and instances of a host,
    for tasks of your own, such as those that open ports or back up directories.
  - The text of files that hold a secret is left out (C(content) is null).
requirements:
  - the Python package shardwright, where ansible-core is installed
options:
  _terms:
    description: Names of hosts, as in cluster.yml.
    required: true
  spec:
    description: Path of cluster.yml.
    type: path
    required: true
  manager:
    description: The service manager, where C(service_manager) in cluster.yml is C(auto).
    type: str
    choices: [systemd, openrc, direct]
    default: systemd
"""

EXAMPLES = r"""
- name: Open the ports of this host's servers
  ansible.posix.firewalld:
    port: "{{ item.endpoint.port }}/tcp"
    state: enabled
  loop: "{{ lookup('shardwright.deploy.blueprint', shardwright_host, spec=shardwright_spec).instances }}"
"""

RETURN = r"""
_raw:
  description: One dictionary a host.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

try:
    from shardwright.ansible import blueprints
    from shardwright.errors import ShardwrightError
except ImportError as error:
    MISSING = str(error)
else:
    MISSING = ""


class LookupModule(LookupBase):
    """`shardwright.ansible.blueprints.blueprint`."""

    def run(self, terms, variables=None, **kwargs):
        """One blueprint a term."""
        if MISSING:
            raise AnsibleLookupError(f"[shardwright-missing] Ansible's own Python has no shardwright ({MISSING})")
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [blueprints.blueprint(self.get_option("spec"), name, self.get_option("manager")) for name in terms]
        except ShardwrightError as error:
            raise AnsibleLookupError(str(error)) from None
