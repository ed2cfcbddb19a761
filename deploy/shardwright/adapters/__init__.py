"""Ports made real: RESP over TCP, ssh tunnels, the spec file, the ledger, reports on disk."""
