"""Every error that has a reason outside the program, as one tree.

    SaeError
    |-- DataError                 what was brought cannot be used
    |   |-- UnreadableFileError   broken, empty, or not the format that it claims
    |   |-- UnsafeFileError       an archive or picture built to do harm
    |   |-- TooLargeError         beyond one of the limits in `sae_core.limits`
    |   `-- LabelError            labels are missing or unsuitable for what was asked
    |-- ConfigError               a setting, or a combination of settings, makes no sense
    |-- ShapeError                rows of another form than the model was trained on
    |   `-- LevelError            a level that this stack does not have
    |-- TrainingError             training could not go on
    |   |-- DivergedError         the loss became NaN or infinite
    |   |-- MemoryExhaustedError  memory of the machine or the GPU ran out
    |   `-- PeerLostError         another process of the same training ended
    |-- StorageError              the disk is read-only or gone
    |   `-- DiskFullError         nothing more fits on the disk
    |-- ModelFileError            files of a model, run or checkpoint are broken or altered
    |   `-- VersionError          written by a version that this one cannot read
    |-- InUseError                another process works on this run
    |-- RunNotFoundError          no run or data set of that name in the workspace
    |-- ProjectionError           a map cannot be drawn from these rows
    |-- ExportError               an export did not pass its own verification
    `-- CancelledError            the user stopped it

A message says what happened, why, and what to do about it, in sentences that can be shown as they are.
"""


class SaeError(Exception):
    """The root: `except SaeError` catches everything that is not a bug."""


class DataError(SaeError, ValueError):
    """What was brought cannot be used."""


class UnreadableFileError(DataError):
    """A file is broken, empty, or not in the format that it claims."""


class UnsafeFileError(DataError):
    """An archive or picture is built to do harm."""


class TooLargeError(DataError):
    """Something is beyond one of the limits in `sae_core.limits`."""


class LabelError(DataError):
    """Labels are missing or unsuitable for what was asked."""


class ConfigError(SaeError, ValueError):
    """A setting, or a combination of settings, makes no sense."""


class ShapeError(SaeError, ValueError):
    """Rows have another form than those that the model was trained on."""


class LevelError(ShapeError):
    """The stack does not have such a level."""


class TrainingError(SaeError, RuntimeError):
    """Training could not go on."""


class DivergedError(TrainingError):
    """The loss became NaN or infinite.

    Attributes:
        phase: title of the phase, e.g. "Level 1: 784 -> 256".
        epoch: 1-based epoch within the phase.
        step: 1-based batch within the epoch.
    """

    def __init__(self, message: str, *, phase: str, epoch: int, step: int) -> None:
        super().__init__(message)
        self.phase, self.epoch, self.step = phase, epoch, step


class MemoryExhaustedError(TrainingError):
    """Memory of the machine or the GPU ran out.

    Attributes:
        phase, epoch, step: as of `DivergedError`; "" and 0 when it was before the first phase.
    """

    def __init__(self, message: str, *, phase: str = "", epoch: int = 0, step: int = 0) -> None:
        super().__init__(message)
        self.phase, self.epoch, self.step = phase, epoch, step


class PeerLostError(TrainingError):
    """Another process that takes part in the same training ended or cannot be reached."""


class StorageError(SaeError, OSError):
    """The disk is read-only or gone."""


class DiskFullError(StorageError):
    """Nothing more fits on the disk, or in the user's share of it."""


class ModelFileError(SaeError, ValueError):
    """Files of a model, run or checkpoint are broken or altered."""


class VersionError(ModelFileError):
    """The files were written by a version that this one cannot read."""


class InUseError(SaeError, RuntimeError):
    """Another process, or another part of this one, works on a run."""


class RunNotFoundError(SaeError, LookupError):
    """The workspace has no run or data set of that name."""


class ProjectionError(SaeError, ValueError):
    """A map cannot be drawn from these rows."""


class ExportError(SaeError, RuntimeError):
    """An export did not pass its own verification, or cannot express the model."""


class CancelledError(SaeError):
    """The user stopped it."""
