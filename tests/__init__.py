"""This project's tests, whatever package of the name is installed: worker processes import them."""
