"""Everything that knows dulwich: no other package of peer-relay imports it."""

import logging

# Its warnings repeat what a remote sent, as often as the remote likes, and without a handler they would be shown (I9).
logging.getLogger("dulwich").setLevel(logging.CRITICAL)
