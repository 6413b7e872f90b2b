"""Everything that knows dulwich: no other package of peer-relay imports it."""

import logging

# Without a handler its warnings go to the standard error, and they repeat what a remote sent (I9).
logging.getLogger("dulwich").addHandler(logging.NullHandler())
