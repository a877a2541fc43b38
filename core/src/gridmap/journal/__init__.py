"""The journal of a run that can be resumed: what happened, written before it counts."""
