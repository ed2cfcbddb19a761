# SPDX-License-Identifier: Apache-2.0
"""Documentation of `bring`; the action plugin of that name does the work, on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bring
short_description: Bring a host to what its blueprint says
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - Installs the engine, mounts, makes user and directories, writes files, sets the kernel and starts servers, as cluster.yml
    says, by the scripts that the project's pyinfra deploy sends, too. A host that is as it should be is entered once, or,
    with O(looked), not at all.
  - A running server is never stopped or restarted by this. What holds data is never touched.
options:
  spec:
    description: Path of cluster.yml on the control machine.
    type: path
    required: true
  host:
    description: Name of the host in cluster.yml; by default the variable C(shardwright_host), else the inventory's name.
    type: str
  stages:
    description: What to bring there; done in this order, whatever the order here.
    type: list
    elements: str
    choices: [engine, mounts, ownership, files, kernel, services, identities]
    default: [engine, mounts, ownership, files, kernel, services, identities]
  looked:
    description: What M(shardwright.deploy.look) returned in this play; where it saw nothing to do, the host is not entered.
    type: dict
  settled:
    description: The servers run with the wished C(appendonly), so files may say so; only after M(shardwright.deploy.form).
    type: bool
    default: false
  allow:
    description: Hazards that are consented to, by name.
    type: list
    elements: str
    default: []
  apt_lock_wait:
    description: Seconds to wait for another process that installs packages.
    type: int
    default: 120
requirements:
  - the Python package shardwright, where ansible-core is installed; hosts need no Python
attributes:
  check_mode:
    support: full
    description: Says in RV(done) what would be done.
  diff_mode:
    support: full
    description: Shows how files differ, but for those that hold a secret, and all else in words.
"""

EXAMPLES = r"""
- name: Configure the host
  shardwright.deploy.bring:
    spec: inventories/staging/cluster.yml
    stages: [engine, ownership, files, kernel]
"""

RETURN = r"""
done:
  description: What was done, in words; in check mode what would be.
  returned: success
  type: list
code:
  description: Of an error, its stable code; C(shardwright explain CODE) explains it.
  returned: failure
  type: str
hint:
  description: Of an error, what to do about it.
  returned: failure
  type: str
"""
