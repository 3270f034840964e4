import io
import threading

from homeostat.app.logs import LINES_MAX, PatientWriter


def test_lines_arrive_in_order() -> None:
    target = io.StringIO()
    writer = PatientWriter(target)
    for number in range(100):
        writer.write(f"{number}\n")
    writer.drain()
    assert target.getvalue().split() == [str(number) for number in range(100)]


class Stuck(io.StringIO):
    """A stream whose reader takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = threading.Event()

    def write(self, text: str) -> int:
        self.reads.wait()
        return super().write(text)


class Broken(io.StringIO):
    """A pipe nobody reads any more, or a full disk."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_a_reader_that_is_stuck_holds_nobody_up_and_the_loss_is_told() -> None:
    target = Stuck()
    writer = PatientWriter(target)
    for _ in range(LINES_MAX + 500):
        writer.write("line\n")
    target.reads.set()
    writer.drain()
    assert "log lines were dropped" in target.getvalue()


def test_a_reader_that_is_gone_is_no_error() -> None:
    writer = PatientWriter(Broken())
    writer.write("lost\n")
    writer.drain()
    writer.write("lost too\n")
    writer.drain()
