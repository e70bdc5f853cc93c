"""From posts to feature blocks; knows no backbone by name."""
