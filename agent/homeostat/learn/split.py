"""Past and future without a leak: what is learnt from is over, and final, before what it is held against begins."""

from __future__ import annotations

import pandas as pd

from homeostat.learn.labels import RECURRENCE_S


def split_at(
    frame: pd.DataFrame, at: pd.Timestamp, *, recurrence_s: float = RECURRENCE_S
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows of `attempts_frame`, `decisions_frame`, `options_frame` or `incidents_frame` into past and future.

    An incident is in one of the two as a whole, or in neither: the past has those whose labels were mature at `at`,
    the future those that opened at `at` or later. One that was open then, or might still have relapsed, would carry
    what came after `at` into the past.

    Args:
        frame: any rows with the columns of `columns.OF_INCIDENT`.
        at: with a time zone.
        recurrence_s: the window the labels were made with.

    Returns:
        Past and future, each in the order of `frame`.
    """
    matured_at = frame["closed_at"] + pd.Timedelta(seconds=recurrence_s)
    return frame[matured_at <= at], frame[frame["opened_at"] >= at]


def split_by_share(
    frame: pd.DataFrame, share: float, *, recurrence_s: float = RECURRENCE_S
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same where the newest `share` of the incidents begins; all is past where it is none of them."""
    opened_at = frame.drop_duplicates("incident")["opened_at"].sort_values()
    newest = round(share * len(opened_at))
    if not newest:
        return frame, frame.iloc[:0]
    return split_at(frame, opened_at.iloc[-newest], recurrence_s=recurrence_s)
