# SPDX-License-Identifier: Apache-2.0
"""Documentation of `look`; the action plugin of that name does the work, on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: look
short_description: Look at a host, and refuse what must be refused
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - Looks at the host in one ssh session and changes nothing. Fails where nothing may be changed there, for instance because
    a port is taken, a disk is full, or another engine runs.
  - As first task of a play with C(any_errors_fatal) it keeps a play from changing one host while another is not fit. So it
    refuses plays with C(serial), and with a strategy by which each host goes at its own pace.
options:
  spec:
    description: Path of cluster.yml on the control machine.
    type: path
    required: true
  host:
    description: Name of the host in cluster.yml; by default the variable C(shardwright_host), else the inventory's name.
    type: str
  stages:
    description:
      - What will be brought there. For C(mounts) alone, where cluster.yml has none, the host is not entered.
    type: list
    elements: str
    choices: [engine, mounts, ownership, files, kernel, services, identities]
    default: [engine, mounts, ownership, files, kernel, services, identities]
  allow:
    description: Hazards that are consented to later in the play; a name that there is not is refused here.
    type: list
    elements: str
    default: []
  reports:
    description: Directory of the reports that the play writes; where that can't be done, nothing is begun.
    type: path
requirements:
  - the Python package shardwright, where ansible-core is installed; hosts need no Python
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Look at the host
  shardwright.deploy.look:
    spec: inventories/staging/cluster.yml
  register: host_looked
"""

RETURN = r"""
wanted:
  description: What is to be done, in words, by stage.
  returned: success
  type: dict
  sample: {"files": ["write /etc/shardwright/cache/6379.conf"]}
starts:
  description: How each running server was started; M(shardwright.deploy.form) judges who needs a restart.
  returned: success
  type: dict
deferred:
  description: Servers whose persistence is switched live before the file says so.
  returned: success
  type: list
notes:
  description: Warnings, as code and text.
  returned: success
  type: list
clock:
  description: How far the host's clock is ahead of this machine's, and how far off that may be, in seconds.
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
