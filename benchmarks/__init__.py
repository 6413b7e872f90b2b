"""Benchmarks: `python -m benchmarks`, or `make bench`.

Only ratios are claimed, and only between things that were measured by turns in the same run, because the times of two
runs on a shared machine say little. Nothing here is a test, and no test depends on a time.
"""
