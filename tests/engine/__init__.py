"""Forming and proving on real servers on loopback."""
