"""Blocks that are fitted on the training posts and read the posts' own columns."""
