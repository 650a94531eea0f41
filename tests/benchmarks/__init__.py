"""How fast we are, as ratios to a raw floor measured in the same run: ``python -m tests.benchmarks``."""
