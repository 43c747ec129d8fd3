"""The errors that a user can cause or meet. Each message is one lower-case line that names the thing and the cause;
`hint` is the way out. `reportgen.cli` prints both and exits with `exit_code`; nothing else prints or exits."""


class ReportgenError(Exception):
    """Base of every error that is told to the user in one line."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ReportgenError):
    """A setting, flag or file of settings that cannot be used."""


class DataError(ReportgenError):
    """A data set, table or class list that cannot be used at all (a single bad image is counted instead)."""


class ImageError(ReportgenError):
    """One image that cannot be read; the job counts it, lists it and goes on."""


class ModelError(ReportgenError):
    """A model that cannot be loaded, or whose last maps or head cannot be found."""


class StoreError(ReportgenError):
    """A shard or store that is damaged, cannot be read, or is not what it claims to be."""


class CorruptError(StoreError):
    """A shard whose bytes are not what was written: what it held can be computed again."""


class OutputError(ReportgenError):
    """A folder or file that cannot be written."""
