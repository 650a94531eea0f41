"""The tests of devservers. Start reading at ``tests/README.md``."""
