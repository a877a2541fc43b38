"""The command ``gridmap``.

::

    program     the command itself: finds the others, turns errors into exit statuses
    backends, settings, doctor, conform, demo, render, completion, runs, status, logs,
                kill, map, exec, top, replay
                one command each, in a module of that name, imported when it is called
    examination what the doctor looks at
    watching    which run a command is about, and how it stands
    template, inputs    commands with places for inputs, files of inputs
    choice      which backend a command is about, and why
    parameters  options that several commands share
    text        words on a terminal, in a pipe or as JSON

Modules of commands import little when they are imported: ``gridmap --help`` imports
all of them, and a shell that completes a word waits for it.
"""

from gridmap.cli.program import main, program

__all__ = ["main", "program"]
