"""Faults injected into the whole: what is recorded of a run, what has to be true of it, and the runs themselves."""
