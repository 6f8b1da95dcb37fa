"""The errors a stand-in answers with: of a call, and of a record."""

STATUS_OF_CODE = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "NoSuchResourceException": 404,
    "NotImplemented": 501,
    "ResourceNotFoundException": 404,
    "ServiceException": 500,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
    "UnrecognizedClientException": 403,
}


class ServiceError(Exception):
    """An error the service answers a call with; of the status of its code (400 where none is listed)."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status if status is not None else STATUS_OF_CODE.get(code, 400)


class RecordError(Exception):
    """The model would refuse this record: `code` (HTTP-like) and `message` go to its error line."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EngineError(RecordError):
    """An engine could not answer."""
