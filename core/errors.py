"""The one exception that is meant for the reader of the screen."""


class UserError(Exception):
    """What a person did wrong, and what to do about it.

    what: one sentence that names the thing and the place.
    fix: the next step, one sentence.
    """

    def __init__(self, what: str, *, fix: str):
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.fix}"
