"""The verbs that touch nothing: placement, parsing, consolidation, planning, verification, rendering, explaining."""
