"""The verbs that touch the cluster, through ports only: observing, applying, converging, proving."""
