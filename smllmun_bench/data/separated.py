"""Text tables with tabs or commas, for whoever reads rows and whoever reads the pictures in them."""

from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError, check_separator


def separated(path: Path, **options: Any) -> Any:
    """A table with tabs (`.tsv`) or commas as pandas reads it: every cell a text, nothing taken for a missing value."""
    import pandas as pd

    separator = "\t" if path.suffix == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig") as lines:
            check_separator(lines.readline(), separator, where=str(path))
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", **options)
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path), fix="save it as UTF-8") from None
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise UserError(f"not a readable table: {str(error).splitlines()[0]}", where=str(path)) from None
