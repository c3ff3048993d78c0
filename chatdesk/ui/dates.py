"""Points in time as a person reads them, in the language of the window."""

from PySide6.QtCore import QDateTime, QLocale


def when(seconds: float) -> str:
    """Seconds since 1970 in a few characters: the time of today, else the day, with its year when it is another one."""
    moment, now = QDateTime.fromSecsSinceEpoch(int(seconds)), QDateTime.currentDateTime()
    if moment.date() == now.date():
        return QLocale().toString(moment.time(), QLocale.FormatType.ShortFormat)
    if moment.date().year() == now.date().year():
        chinese = QLocale().language() == QLocale.Language.Chinese
        return QLocale().toString(moment.date(), "M月d日" if chinese else "d MMM")
    return QLocale().toString(moment.date(), QLocale.FormatType.ShortFormat)


def exactly(seconds: float) -> str:
    """Seconds since 1970 with day, year and time."""
    moment = QDateTime.fromSecsSinceEpoch(int(seconds))
    return QLocale().toString(moment, QLocale.FormatType.ShortFormat)
