"""Deploys Redis and Valkey clusters, and proves that all 16,384 slots are served."""
