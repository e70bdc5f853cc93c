"""This project's tests, whatever else is installed under the name (worker processes import them)."""
