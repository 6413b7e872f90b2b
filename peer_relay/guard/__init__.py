"""The secret guard: finds in a text what must not be stored, because git never forgets. Pure."""
