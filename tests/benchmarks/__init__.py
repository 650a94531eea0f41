"""Benchmarks: ``python -m tests.benchmarks`` (speed, as ratios to a floor measured in the same run) and
``python -m tests.benchmarks.frames`` (the length of a call: frames, functions, calls)."""
