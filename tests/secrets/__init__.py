"""Tests of the secret guard, with a corpus that is made when it is needed: no secret stands in the repository."""
