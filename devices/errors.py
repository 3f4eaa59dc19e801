"""Refusals of the device protocol. Each is as coarse as a stranger may know; `portal.problems` gives it a status."""

from typing import Self


class DeviceRefusal(Exception):
    """Something that a device is told. `code` is for machines, the text for the person who reads its console."""

    code = "refused"


class Malformed(DeviceRefusal):
    """The request itself is not well formed."""

    code = "malformed"


class KeyNotGood(DeviceRefusal):
    """The registration key is unknown, expired, revoked or used up: one answer, so that nobody learns which."""

    code = "key_not_good"

    def __init__(self) -> None:
        super().__init__("This registration key is not good. Copy the current one from the portal into the device.")


class PolicyRefuses(DeviceRefusal):
    """The key is good, but the organization does not let this device in."""

    code = "policy_refuses"

    @classmethod
    def suspended(cls) -> Self:
        """Return the refusal for every device of a customer that an operator has suspended."""
        return cls("The service is suspended for this organization. Its manager must contact the operator.")

    @classmethod
    def blocked(cls) -> Self:
        """Return the refusal for a device that a manager has blocked."""
        return cls("This device is blocked. A manager can unblock it on its page in the portal.")


class WaitsForApproval(DeviceRefusal):
    """The device may come in when a manager has approved it; `retry_after` is in seconds."""

    code = "pending"

    def __init__(self, retry_after: int) -> None:
        super().__init__("This device waits for a manager to let it in: in the portal, at “Devices at the door”.")
        self.retry_after = retry_after


class TooManyTries(DeviceRefusal):
    """Bad keys have come from this address too often; `retry_after` is in seconds."""

    code = "throttled"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many bad registration keys have come from this address. Wait, then try with a good one.")
        self.retry_after = retry_after


class TryLater(DeviceRefusal):
    """The portal or the channel platform cannot do it now; nothing is lost. `retry_after` is in seconds."""

    code = "try_later"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
