"""The pages of docs/ and their pictures, held against a real run: `python -m tests.docs` writes, the tests compare."""
