"""A stand-in for Slurm's commands that answers as it is told."""

from collections.abc import Mapping, Sequence

from gridmap.programs import Answer, NoAnswer, Reply

HEADER = "gridmap|JOBID|STATE|EXEC_HOST|REASON|COMMENT\n"


def says(output: str = "") -> Answer:
    """Return an answer of a command that went well."""
    return Answer(status=0, output=output, errors="")


def complains(errors: str, status: int = 1) -> Answer:
    """Return an answer of a command that failed."""
    return Answer(status=status, output="", errors=errors)


def hangs() -> NoAnswer:
    """Return what becomes of a command that was killed for taking too long."""
    return NoAnswer(text="it gave no answer within 30 s", started=True)


def queue(*rows: str) -> Answer:
    """Return squeue's answer; a row is ``"7_1|RUNNING|n1|None|comment"``."""
    return says(HEADER + "".join(f"gridmap|{row}\n" for row in rows))


class FakeSlurm:
    """Takes the place of `gridmap.programs.run`.

    Attributes:
        answers: Program, or program and verb, to its answers, in order; the last one
            is given for ever.
        asked: Every command line so far.
        scripts: What went into the commands.
    """

    def __init__(self, **answers: "Reply | list[Reply]") -> None:
        self.answers = {
            name.replace("_", " "): list(given) if isinstance(given, list) else [given]
            for name, given in answers.items()
        }
        self.asked: list[tuple[str, ...]] = []
        self.scripts: list[str] = []

    def __call__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        script: str,
        timeout_s: float,
    ) -> Reply:
        """Answer one command."""
        assert environ
        assert timeout_s > 0
        self.asked.append(tuple(argv))
        self.scripts.append(script)
        verb = next((part for part in argv[1:] if not part.startswith("-")), "")
        answers = self.answers.get(f"{argv[0]} {verb}") or self.answers.get(argv[0])
        assert answers is not None, f"nobody expected {argv}"
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def count(self, program: str) -> int:
        """Return how often a program was called."""
        return sum(argv[0] == program for argv in self.asked)

    def last(self, program: str) -> tuple[str, ...]:
        """Return a program's last command line."""
        return next(argv for argv in reversed(self.asked) if argv[0] == program)
