# SPDX-License-Identifier: Apache-2.0
"""Documentation of `form`; the action plugin of that name does the work, on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: form
short_description: Form the cluster and prove it
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - Run once a play. Asks all servers, plans, forms or mends, grows or shrinks, and proves from every node's own view that
    all 16,384 slots are served. Works from the control machine alone.
  - What holds data is touched only with the consent of its name in O(allow).
options:
  spec:
    description: Path of cluster.yml on the control machine.
    type: path
    required: true
  allow:
    description: Hazards that are consented to, by name.
    type: list
    elements: str
    default: []
  admitted:
    description: The steps that M(shardwright.deploy.admit) returned, for the report.
    type: list
    elements: str
    default: []
  restart:
    description: Restart running servers whose engine or settings ask for it, one after the other, where that is safe.
    type: bool
    default: true
  results:
    description:
      - Names of variables that hold, for each host of the play, what M(shardwright.deploy.look) and
        M(shardwright.deploy.bring) returned, so that the report has what was found and done there.
    type: list
    elements: str
    default: []
  reports:
    description: Directory of the reports and of the ledger of all runs, on the control machine.
    type: path
    default: reports
requirements:
  - the Python package shardwright, where ansible-core is installed; hosts need no Python
attributes:
  check_mode:
    support: full
    description: Plans and changes nothing.
  diff_mode:
    support: full
    description: The plan.
"""

EXAMPLES = r"""
- name: Form and verify the cluster
  shardwright.deploy.form:
    spec: inventories/staging/cluster.yml
  run_once: true
"""

RETURN = r"""
verdict:
  description: C(proved) or C(not-proved).
  returned: when not in check mode
  type: str
steps:
  description: The steps on the cluster that were done; in check mode those that would be.
  returned: success
  type: list
findings:
  description: What was verified, each with code, severity, subject and message.
  returned: when not in check mode
  type: list
report:
  description: Path of the report.
  returned: when not in check mode
  type: str
code:
  description: Of an error, its stable code; C(shardwright explain CODE) explains it.
  returned: failure
  type: str
hint:
  description: Of an error, what to do about it.
  returned: failure
  type: str
"""
