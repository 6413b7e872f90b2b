"""Everything that knows dulwich: no other package of peer-relay imports it."""
