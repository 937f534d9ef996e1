"""Prosody's log: its entries, and waiting for one."""

import re

from .waiting import DEADLINE, wait_until

LOG_LINE = re.compile(r"^\w{3} \d\d \d\d:\d\d:\d\d (?P<source>\S+)\t(?P<level>\w+)\t(?P<text>.*)$", re.S)


class LogLine:
    """One entry of the log: who wrote it, its level, and its text with any continuation lines."""

    def __init__(self, source, level, text):
        self.source, self.level, self.text = source, level, text

    def __repr__(self):
        return f"{self.source} {self.level}: {self.text}"


class Log:
    """A log file that Prosody writes."""

    def __init__(self, file):
        self._file = file
        file.touch()

    def entries(self, since=0):
        """The entries from that position on."""
        with open(self._file, encoding="utf-8", errors="replace") as log:
            log.seek(since)
            text = log.read()
        entries = []
        for line in text.splitlines():
            match = LOG_LINE.match(line)
            if match:
                entries.append(LogLine(**match.groupdict()))
            elif entries:
                entries[-1].text += "\n" + line
        return entries

    def position(self):
        """Where the next entry will be."""
        return self._file.stat().st_size

    def tail(self, since=0):
        """The last entries, for a failed test to show."""
        return "\n".join(str(entry) for entry in self.entries(since)[-60:])

    def wait_for(self, pattern, source=None, level=None, since=0, deadline=DEADLINE):
        """The first entry whose text contains the regular expression."""
        def find():
            for entry in self.entries(since):
                if re.search(pattern, entry.text) and source in (None, entry.source) and level in (None, entry.level):
                    return entry
            return None
        return wait_until(find, lambda: f"a log line with {pattern!r}\n{self.tail(since)}", deadline)
