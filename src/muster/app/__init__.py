"""The public objects: they assemble, they decide nothing."""
