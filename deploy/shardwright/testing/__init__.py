"""Public kit for tests: strategies and real servers on loopback."""
