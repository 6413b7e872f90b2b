"""The supply chain: what peer-relay is made of, whether anything is known against it, and what a release says of it."""
