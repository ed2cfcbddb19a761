# SPDX-License-Identifier: Apache-2.0
"""Documentation of `verify`; the action plugin of that name does the work, on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify
short_description: Prove a cluster again
version_added: 0.1.0
author: The shardwright authors (@shardwright)
description:
  - Run once a play. Asks every server and proves that all 16,384 slots are served; fails where they are not. Changes nothing
    but the canary keys that it writes and removes.
options:
  spec:
    description: Path of cluster.yml on the control machine.
    type: path
    required: true
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
    support: none
    description: Canary keys are written all the same; leave them out by C(canary false) in cluster.yml.
  diff_mode:
    support: none
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Prove the cluster again
  shardwright.deploy.verify:
    spec: inventories/staging/cluster.yml
  run_once: true
"""

RETURN = r"""
verdict:
  description: C(proved) or C(not-proved).
  returned: always
  type: str
findings:
  description: What was verified, each with code, severity, subject and message.
  returned: always
  type: list
report:
  description: Path of the report.
  returned: always
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
