"""The learners: a table in, one prediction a post out. One file a kind."""
