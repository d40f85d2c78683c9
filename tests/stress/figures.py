"""What a check found: how often it tried, how often that ended well. Nothing here depends on how fast a machine is."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One line of the table. `faults`: what did not end well, each with the command that shows it."""

    check: str
    what: str
    tries: int = 0
    faults: list[str] = field(default_factory=list)
    told: str = ""  # what a reader should know beside the numbers, such as why it was skipped

    def count(self, fault: str | None) -> None:
        """One more try; `fault` says what was wrong with it, if anything was."""
        self.tries += 1
        if fault:
            self.faults.append(fault)


def table(figures: Sequence[Figure]) -> str:
    """Plain text, so that two tables of one seed can be compared with `cmp`."""
    rows = [
        (figure.check, figure.what, str(figure.tries), str(figure.tries - len(figure.faults)), figure.told)
        for figure in figures
    ]
    tries = sum(figure.tries for figure in figures)
    well = tries - sum(len(figure.faults) for figure in figures)
    rows = [("check", "what", "tries", "well", ""), *rows, ("all", "", str(tries), str(well), "")]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    )
