"""Every error bbkit raises: what was found, what is accepted and its source, what to do next.

Each class has two parents: `BbkitError`, so that one `except` catches all of ours, and the Python class
one would guess.
"""


class BbkitError(Exception):
    """Base of every error that bbkit raises on purpose. Its text is one or two sentences for a person."""


class InputError(BbkitError, ValueError):
    """A parameter has a value that cannot be used."""


class SourceError(BbkitError, ValueError):
    """A source file cannot be read as the table it should be."""


class FamilyError(BbkitError, LookupError):
    """The family of a model cannot be told, or no family has that name."""


class QuotaError(BbkitError, ValueError):
    """Records cannot be arranged within the quotas of a batch job."""


class BudgetError(BbkitError, ValueError):
    """A run may cost more than its budget, or its cost is unknown."""


class RecordsError(BbkitError, ValueError):
    """Records that Bedrock or the model would refuse.

    Attributes
    ----------
    findings : bbkit.core.frames.Findings
        What was found, one row per finding.
    """

    def __init__(self, message: str, findings: object = None):
        super().__init__(message)
        self.findings = findings


class RunError(BbkitError, RuntimeError):
    """A run cannot do what was asked in the state it is in."""


class RunExistsError(BbkitError, FileExistsError):
    """The folder already holds a run or something else."""


class RunNotFoundError(BbkitError, FileNotFoundError):
    """The folder holds no run."""


class PlaceError(BbkitError, PermissionError):
    """A run was made for another endpoint, account or region than the one now in use."""


class CredentialsError(BbkitError, PermissionError):
    """There are no usable AWS credentials."""


class AwsError(BbkitError, RuntimeError):
    """AWS refused a call, and there is something to say about what to do.

    Attributes
    ----------
    code : str
        The error code of AWS, such as ``AccessDeniedException``; empty where none came.
    """

    def __init__(self, message: str, code: str = ""):
        super().__init__(message)
        self.code = code


class ReportError(BbkitError, RuntimeError):
    """A notebook could not be run or rendered to the end."""
