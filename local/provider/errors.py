"""What can go wrong, each as one line for the person who deploys."""

from botocore.exceptions import ClientError

GONE = frozenset(
    {
        "404", "AWS.SimpleQueueService.NonExistentQueue", "DashboardNotFoundError", "NoSuchBucket", "NoSuchBucketPolicy",
        "NoSuchEntity", "NoSuchLifecycleConfiguration", "NoSuchPublicAccessBlockConfiguration", "NotFound", "NotFoundException",
        "QueueDoesNotExist", "ResourceNotFound", "ResourceNotFoundException", "ServerSideEncryptionConfigurationNotFoundError",
        "StateMachineDoesNotExist",
    }
)  # fmt: skip
"""AWS's names for the errors that say that a resource doesn't exist (any more)."""


class ProviderError(Exception):
    """A request that the provider refuses or that AWS refused. The message is one line and complete."""


def code(error: ClientError) -> str:
    """AWS's name for the error, e.g. `ResourceNotFoundException`."""
    return error.response.get("Error", {}).get("Code", "")


def is_gone(error: ClientError) -> bool:
    return code(error) in GONE


def one_line(error: Exception) -> str:
    """`CreateFunction: InvalidParameterValueException: …` for what AWS refused, the plain message for the rest."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        text = f"{error.operation_name}: {code(error)}: {message}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
