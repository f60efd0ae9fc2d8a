# SPDX-License-Identifier: MIT
"""What goes wrong, with the library's own sentence."""
import errno
from typing import Type


class Error(OSError):
    """Something the library could not do.

    `errno` is its code (`errno.EINVAL`, …), `strerror` its sentence, which names the thing; `str()`
    of it is the sentence alone.
    """

    def __str__(self) -> str:
        return self.strerror or ""


class ConfigurationError(Error, ValueError):
    """A setting is out of range, unknown, or does not fit another (`EINVAL`)."""


class UnavailableError(Error):
    """A detector, its weights or an instruction set is not here (`ENOENT`, `ENOTSUP`)."""


class FinishedError(Error):
    """Audio was pushed into a stream that is finished or closed (`EALREADY`)."""


_KINDS = {
    errno.EINVAL: ConfigurationError,
    errno.ENOENT: UnavailableError,
    errno.ENOTSUP: UnavailableError,
    errno.EALREADY: FinishedError,
}


def make(status: int, sentence: str) -> Exception:
    """The exception for `status`, which is -errno."""
    if -status == errno.ENOMEM:
        return MemoryError(sentence)
    kind: Type[Error] = _KINDS.get(-status, Error)
    return kind(-status, sentence)
