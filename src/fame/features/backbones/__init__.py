"""Frozen feature extractors, one file a kind; fame.registry names them."""
