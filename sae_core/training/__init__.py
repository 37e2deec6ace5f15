"""The plan of phases and the trainer: touches no file and no thread."""
