# SPDX-License-Identifier: Apache-2.0
"""Documentation of `keep`; the action plugin of that name does the work, on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: keep
short_description: Keep copies of the servers' lists of nodes
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - A server is who its list of nodes says. After a proved run each list is copied beside the configuration, from where
    M(shardwright.deploy.bring) puts it back should it be lost.
options:
  spec:
    description: Path of cluster.yml on the control machine.
    type: path
    required: true
  host:
    description: Name of the host in cluster.yml; by default the variable C(shardwright_host), else the inventory's name.
    type: str
  formed:
    description: What M(shardwright.deploy.form) returned in this play; without a proof nothing is copied.
    type: dict
    required: true
  looked:
    description: What M(shardwright.deploy.look) returned in this play; where copies are in line, the host is not entered.
    type: dict
requirements:
  - the Python package shardwright, where ansible-core is installed; hosts need no Python
attributes:
  check_mode:
    support: none
    description: In check mode nothing was proved, so there is nothing to copy; the task is skipped.
  diff_mode:
    support: none
    description: The copies are not shown.
"""

EXAMPLES = r"""
- name: Keep lists of nodes
  shardwright.deploy.keep:
    spec: inventories/staging/cluster.yml
    formed: "{{ cluster_formed }}"
"""

RETURN = r"""
done:
  description: What was done, in words.
  returned: success
  type: list
"""
