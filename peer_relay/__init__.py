"""peer-relay: two developers' coding agents ask each other questions through a shared git repository."""

__version__ = "0.1.0"
