# SPDX-License-Identifier: Apache-2.0
"""Documentation of `admit`; the action plugin of that name does the work, on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: admit
short_description: Let running servers take a new password
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - Run once a play, after M(shardwright.deploy.look) and before M(shardwright.deploy.bring). Where the configuration of a
    running server would be written anew, all that run are given the password of cluster.yml beside the one they have.
options:
  spec:
    description: Path of cluster.yml on the control machine.
    type: path
    required: true
  results:
    description: Names of variables that hold, for each host of the play, what M(shardwright.deploy.look) returned.
    type: list
    elements: str
    default: []
requirements:
  - the Python package shardwright, where ansible-core is installed; hosts need no Python
attributes:
  check_mode:
    support: full
    description: It does nothing; the plan of M(shardwright.deploy.form) has what would be done.
  diff_mode:
    support: none
    description: Passwords are not shown.
"""

EXAMPLES = r"""
- name: Admit the password
  shardwright.deploy.admit:
    spec: inventories/staging/cluster.yml
    results: [host_looked]
  run_once: true
"""

RETURN = r"""
steps:
  description: The steps that were done.
  returned: success
  type: list
"""
