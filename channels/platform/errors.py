"""What the platform refuses, in the original's words.

Codes, statuses and messages are those of ThingSpeak's page "Error Codes"; the details are ours and say what to do.
"""

from __future__ import annotations

from dataclasses import dataclass


class Refusal(Exception):
    """A request that is answered with something else than what it asked for."""


@dataclass(frozen=True)
class Kind:
    """One row of the original's table of errors."""

    status: int
    code: str
    message: str
    details: str


BAD_REQUEST = Kind(400, "error_bad_request", "Bad Request", "The request cannot be fulfilled due to bad syntax.")
AUTH_REQUIRED = Kind(
    401,
    "error_auth_required",
    "Authorization Required",
    "The authentication details are incorrect. Provide the correct channel API key or user API key.",
)
PAYMENT_REQUIRED = Kind(
    402, "error_payment_required", "Payment Required", "The account has used up what its plan allows."
)
NOT_FOUND = Kind(
    404, "error_resource_not_found", "Resource Not Found", "The requested resource was not found. Check the address."
)
METHOD_INVALID = Kind(405, "error_method_invalid", "Method Not Allowed", "Use the proper HTTP method for this request.")
CONFLICT = Kind(
    409,
    "error_conflict",
    "Conflict",
    "The channel already has an entry of that moment. The created_at of an entry is unique within its channel.",
)
TOO_LARGE = Kind(
    413, "error_request_too_large", "Request Entity Too Large", "Your request is too large. Reduce the size."
)
INVALID_BYTES = Kind(
    422,
    "error_invalid_byte_sequence",
    "Unprocessable Entity",
    "All inputs must be valid UTF-8 without null characters.",
)
TOO_MANY = Kind(429, "error_too_many_requests", "Too Many Requests", "Wait before making another request.")


class ApiError(Refusal):
    """Answered with the original's error object. `details` says more than the kind's own sentence."""

    def __init__(self, kind: Kind, details: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.details = details or kind.details
        self.headers = headers or {}


class ReadRefused(Refusal):
    """The channel is private and no good key came along, or there is nothing to show: 400 and `-1`."""


class WriteRefused(Refusal):
    """No good write key: 400 and `0`."""


class TooEarly(Refusal):
    """The write interval has not passed: 200 and `0`, as devices expect it."""


class UnknownKey(Refusal):
    """No good write key for that channel (raised by the write path, which knows no formats)."""


class QuotaUsedUp(Refusal):
    """The account has stored as many messages in this year as its plan allows."""


class MomentTaken(Refusal):
    """The channel already has an entry of that moment. The text, if there is one, says which."""
