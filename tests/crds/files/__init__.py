"""Tests of file sync: real shells and tars in directories that stand for containers (``boxes``)."""
