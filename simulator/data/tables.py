"""Delimited files and parquet as text columns, with every mistake told by file and line.

Columns are kept as text until one is asked for as ids, numbers or whole numbers, so that
what is wrong can be quoted with its line and ids like ``007`` survive.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError

_NOT_AN_ID = frozenset({"", "nan", "none", "null", "na", "<na>"})
_SEPARATORS = {"\t": "tab", ",": "','", ";": "';'", "|": "'|'", "::": "'::'", " ": "space"}


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of one file; ``lines`` (n,) are their line numbers there.

    ``option`` is the block of the scenario that says how the file is read, None where the
    format leaves nothing to say; errors then suggest no option.
    """

    file: Path
    frame: pd.DataFrame
    lines: npt.NDArray[np.int64]
    option: str | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def __contains__(self, column: str) -> bool:
        return column in self.frame.columns

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """Some of the rows, with their line numbers."""
        return replace(self, frame=self.frame.iloc[rows], lines=self.lines[rows])

    def column(self, name: str, key: str) -> pd.Series[str]:
        """A column that must be there; ``key`` is what the scenario calls it."""
        if name not in self.frame.columns:
            raise InputError(
                self.file,
                key=key,
                found=f"no column {name!r}",
                allowed=f"one of the columns there: {', '.join(map(str, self.frame.columns))}",
                fix=self._header_hint(key),
            )
        return self.frame[name]

    def _header_hint(self, key: str) -> str | None:
        names = [str(column) for column in self.frame.columns]
        if self.option is None:
            return None
        inside = [s for s in _SEPARATORS if s != " " and s in names[0]]
        if len(names) == 1 and inside:
            return f"it looks separated by {_SEPARATORS[inside[0]]}: set {self.option}.separator"
        if all(re.fullmatch(r"[\d.]+", name) for name in names):
            return "it looks as if it had no header: set header: false, number columns from 0"
        return f"name the column that is meant, e.g. {key}: {names[0]}"

    def _refuse(self, bad: npt.NDArray[np.bool_], name: str, key: str, allowed: str) -> None:
        """Raise for the first bad row, if there is one."""
        if not bad.any():
            return
        row = int(np.argmax(bad))
        value = self.frame[name].iloc[row]
        empty = pd.isna(value) or not str(value).strip()
        more = int(bad.sum()) - 1
        raise InputError(
            self.file,
            line=int(self.lines[row]),
            key=key,
            found=("nothing" if empty else repr(str(value)))
            + (f" (and {more:,} more such rows)" if more else ""),
            allowed=allowed,
        )

    def ids(self, name: str, key: str) -> tuple[npt.NDArray[np.int64], list[str]]:
        """``(codes (n,), names)``: the ids in stable order and each row's place among them.

        Ids that are all whole numbers are ordered as numbers, others as text. Empty,
        NaN and negative ids are refused.
        """
        values: pd.Series[Any] = self.column(name, key)
        allowed = "an id in every row: a text or a whole number from 0 up"
        if pd.api.types.is_float_dtype(values.dtype):
            floats = values.to_numpy(np.float64)
            whole = np.isfinite(floats) & (np.floor(floats) == floats)
            self._refuse(~whole, name, key, allowed)
            values = pd.Series(floats.astype(np.int64))
        try:
            codes, uniques = pd.factorize(values, use_na_sentinel=True)
        except TypeError as error:  # a parquet column of lists
            raise InputError(self.file, key=key, found=str(error), allowed=allowed) from error
        names = [str(unique).strip() for unique in uniques]
        wrong = np.array([n.lower() in _NOT_AN_ID or _is_negative(n) for n in names], dtype=bool)
        bad = np.append(wrong, True)[codes]  # -1, a missing value, meets the last entry
        self._refuse(bad, name, key, allowed)
        if all(re.fullmatch(r"\d+\.0+", n) for n in names):  # whole numbers written as floats
            names = [n.partition(".")[0] for n in names]
        return in_order(codes.astype(np.int64), names)

    def numbers(self, name: str, key: str, allowed: str = "a number") -> npt.NDArray[np.float64]:
        """The column as finite numbers."""
        column = self.column(name, key)
        try:
            values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:  # a parquet column of lists or the like
            raise InputError(self.file, key=key, found=str(error), allowed=allowed) from error
        self._refuse(~np.isfinite(values), name, key, allowed)
        return values

    def ratings(
        self, name: str, key: str, scale: tuple[float, float] | None
    ) -> npt.NDArray[np.float32]:
        """The column as ratings inside the scale, where there is one."""
        if scale is None:
            return self.numbers(name, key).astype(np.float32)
        allowed = f"a number from {scale[0]:g} to {scale[1]:g}"
        values = self.numbers(name, key, allowed)
        self._refuse((values < scale[0]) | (values > scale[1]), name, key, allowed)
        return values.astype(np.float32)

    def seconds(self, name: str, key: str) -> npt.NDArray[np.int64]:
        """The column as whole seconds; real datetimes are converted."""
        values = self.column(name, key)
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            self._refuse(values.isna().to_numpy(), name, key, "a time in every row")
            return values.to_numpy("datetime64[s]").astype(np.int64)
        allowed = "a whole number of seconds"
        numbers = self.numbers(name, key, allowed)
        self._refuse(
            (numbers != np.floor(numbers)) | (np.abs(numbers) > 2.0**53), name, key, allowed
        )
        return numbers.astype(np.int64)

    def texts(self, name: str, key: str) -> list[str]:
        """The column as texts, empty where nothing stands."""
        return [str(v).strip() for v in self.column(name, key).fillna("")]


def _is_negative(name: str) -> bool:
    return re.fullmatch(r"-\d+(\.\d+)?", name) is not None


def in_order(
    codes: npt.NDArray[np.int64], names: Sequence[str]
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Renumber so that names stand in stable order; equal names become one.

    >>> in_order(np.array([0, 1, 2]), ["10", "9", "10"])
    (array([1, 0, 1]), ['9', '10'])
    """
    numeric = all(name.isascii() and name.isdigit() and len(name) < 40 for name in names)
    ordered = sorted(set(names), key=(lambda n: (int(n), n)) if numeric else None)
    place = {name: position for position, name in enumerate(ordered)}
    new = np.array([place[name] for name in names], dtype=np.int64)
    return new[codes], ordered


def read_table(
    file: Path,
    *,
    separator: str = ",",
    encoding: str = "utf-8",
    header: bool = True,
    names: Sequence[str] | None = None,
    quoted: bool = True,
    option: str | None = None,
) -> Table:
    """A delimited text file, plain or compressed, every column as text.

    ``names`` are the columns of a file without a header row; with ``header`` False and no
    names they are "0", "1" and so on. ``separator`` may be ``::``. ``option`` as in Table.
    Raises InputError for what cannot be read, naming the line where it is known.
    """
    header = header and names is None
    try:
        frame = _parse(file, separator, encoding, header, names, quoted)
    except pd.errors.EmptyDataError as error:
        raise InputError(file, found="an empty file", allowed="a file with rows") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as error:
        raise _malformed(file, separator, option, error) from error
    except UnicodeError as error:
        raise _wrong_encoding(file, encoding, option) from error
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(file, error) from error
    lines = frame.index.to_numpy(np.int64) + (2 if header else 1)
    blank = frame.isna().all(axis=1).to_numpy()
    if blank.any():
        frame, lines = frame[~blank], lines[~blank]
    if frame.empty:
        raise InputError(file, found="no rows", allowed="a file with rows")
    if names is not None:
        _check_full(file, frame, lines, separator)
    return Table(file, frame.set_axis(frame.columns.map(str), axis=1), lines, option)


def _check_full(
    file: Path, frame: pd.DataFrame, lines: npt.NDArray[np.int64], separator: str
) -> None:
    """Published formats fill the last field, so a row without it is too short."""
    short = frame.iloc[:, -1].isna().to_numpy()
    if not short.any():
        return
    row = int(np.argmax(short))
    n = len(frame.columns)
    raise InputError(
        file,
        line=int(lines[row]),
        found=f"fewer than {n} fields separated by {_SEPARATORS.get(separator, repr(separator))}",
        allowed=f"{n} fields: {', '.join(map(str, frame.columns[:5]))}" + ", ..." * (n > 5),
    )


def _parse(
    file: Path,
    separator: str,
    encoding: str,
    header: bool,
    names: Sequence[str] | None,
    quoted: bool,
) -> pd.DataFrame:
    source: Path | io.BytesIO = file
    if separator == "::":  # one character lets pandas use its C parser, ten times faster
        source, separator = io.BytesIO(file.read_bytes().replace(b"::", b"\x1f")), "\x1f"
    with warnings.catch_warnings():
        # A row longer than the first is cut with a warning only; that would lose data.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            source,
            sep=separator,
            encoding=encoding,
            header=0 if header else None,
            names=None if names is None else list(names),
            index_col=False,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            engine="c",
        )


def _malformed(file: Path, separator: str, option: str | None, error: Exception) -> InputError:
    """pandas' complaint about the shape of a file, in our words."""
    shape = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
    said = _SEPARATORS.get(separator, repr(separator))
    expected, line, saw = shape.groups() if shape else (None, None, None)
    reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
    if "Length of header" in reason:
        reason = "they have more fields than the header"
    return InputError(
        file,
        line=None if line is None else int(line),
        key=None if option is None else f"{option}.separator",
        found=f"{saw} fields separated by {said}" if shape else f"rows that do not fit ({reason})",
        allowed=f"{expected} fields, as in the lines before" if shape else f"fields by {said}",
        fix=None if option is None else "quote fields that hold the separator, or set separator",
    )


def _wrong_encoding(file: Path, encoding: str, option: str | None) -> InputError:
    with file.open("rb") as start:
        wide = start.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    other = "latin-1" if encoding.lower().replace("-", "").replace("_", "") == "utf8" else "utf-8"
    other = "utf-16" if wide else other
    return InputError(
        file,
        key="encoding" if option is None else f"{option}.encoding",
        found=f"bytes that are not {encoding}",
        allowed=f"text in {encoding}",
        fix=f"save it as {encoding}" if option is None else f"set {option}.encoding: {other}",
    )


def unreadable(file: Path, error: BaseException) -> InputError:
    """A file that is there and cannot be read, compressed files included."""
    reason = " ".join(str(error).split()) or type(error).__name__
    compressed = file.suffix in {".gz", ".bz2", ".xz", ".zip"}
    return InputError(
        file,
        found=f"a file that cannot be read ({reason})",
        allowed=f"an undamaged {file.suffix[1:]} file" if compressed else "a readable file",
        fix="copy or download it again" if compressed else None,
    )


def read_parquet(file: Path) -> Table:
    """A parquet file with its own column types; lines are row numbers from 1."""
    import pyarrow.lib

    try:
        frame = pd.read_parquet(file)
    except (OSError, pyarrow.lib.ArrowException) as error:
        raise InputError(
            file,
            found=f"a file that cannot be read as parquet ({' '.join(str(error).split())[:120]})",
            allowed="an undamaged parquet file",
        ) from error
    if frame.empty:
        raise InputError(file, found="no rows", allowed="a file with rows")
    frame = frame.reset_index(drop=True)
    return Table(file, frame, np.arange(1, len(frame) + 1, dtype=np.int64))
