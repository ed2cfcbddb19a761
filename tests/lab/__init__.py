"""The test lab: real Debian hosts (systemd, sshd, apt) on one machine, each in a network namespace of its own.

Standard library only, so that it works from a clean checkout before anything is installed.
"""

from tests.lab.common import LabError
from tests.lab.faults import Faults
from tests.lab.lab import Lab, LabHost

__all__ = ["Faults", "Lab", "LabError", "LabHost"]
