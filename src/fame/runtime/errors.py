"""The one exception for what a user can fix."""


class InputError(Exception):
    """Bad input: a file, a row or a parameter.

    The message is one sentence that names the place (file, row or key), what was found and what
    is allowed. Stages print it without a traceback and exit with status 1.
    """
