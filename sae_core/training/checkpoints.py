"""Checkpoints in a folder, the last two of them, so that there is a complete one at every moment."""

from __future__ import annotations

import shutil
from pathlib import Path

from sae_core.errors import ModelFileError, VersionError
from sae_core.files import read_folder, write_folder
from sae_core.training.state import CHECKPOINT_KIND, CHECKPOINT_VERSION, TrainingState


class Checkpoints:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, state: TrainingState) -> None:
        """Add one; the one before stays.

        Raises:
            StorageError: it could not be written.
        """
        older = self._found()
        number = int(older[-1].name) + 1 if older else 1
        write_folder(
            self.folder / f"{number:06d}", dict(state.to_files()), kind=CHECKPOINT_KIND, version=CHECKPOINT_VERSION
        )
        for folder in older[:-1]:
            shutil.rmtree(folder, ignore_errors=True)

    def last(self) -> TrainingState | None:
        """The last one that is as it was written, or None where there never was one.

        Raises:
            ModelFileError: all of them are damaged.
        """
        damage: ModelFileError | None = None
        for folder in reversed(self._found()):
            try:
                files = read_folder(folder, kind=CHECKPOINT_KIND, version=CHECKPOINT_VERSION)
                return TrainingState.from_files(files)
            except VersionError:
                raise
            except ModelFileError as error:
                damage = damage or error
        if damage is not None:
            raise damage
        return None

    def _found(self) -> list[Path]:
        """Complete ones, oldest first: they get their name only when they are complete."""
        return sorted(path for path in self.folder.glob("*") if path.name.isdecimal())
