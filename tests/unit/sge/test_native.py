"""From resources to options."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InvalidResourceError
from gridmap.resources import Resources
from gridmap_sge import native

PLAIN = ("-b", "y", "-shell", "n", "-w", "e", "-r", "y")


def extra(resources: Resources, **keywords: object) -> str:
    """Return the options beyond those that every submission has."""
    options = native.options(resources, **keywords)  # type: ignore[arg-type]
    assert options[: len(PLAIN)] == PLAIN
    return " ".join(options[len(PLAIN) :])


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, ""),
        ({"memory": "2G"}, "-l mem_free=2G"),
        ({"memory": 1536 * 2**20}, "-l mem_free=1536M"),
        ({"memory": 2**20 + 1}, "-l mem_free=1048577"),
        ({"memory": "2G", "options": {"use_mem_free": "1"}}, "-l mem_free=2G"),
        ({"memory": "2G", "options": {"use_mem_free": "0"}}, ""),
        (
            {"memory": "2G", "options": {"memory_resource": "m_mem_free"}},
            "-l m_mem_free=2G",
        ),
        ({"memory_limit": "4G"}, "-l h_vmem=4G"),
        ({"memory_limit": "4G", "cores": 4}, "-pe smp 4 -l h_vmem=1G"),
        ({"memory_limit": 2**20 + 2, "cores": 4}, "-pe smp 4 -l h_vmem=262145"),
        ({"options": {"h_vmem": "3.5G"}, "memory_limit": "9G"}, "-l h_vmem=3.5G"),
        ({"walltime": "01:30:00"}, "-l h_rt=5400"),
        ({"gpus": 2}, "-l gpu=2"),
        ({"gpus": 1, "options": {"gpu_resource": "ngpus"}}, "-l ngpus=1"),
        ({"cores": 2, "options": {"par_env": "orte"}}, "-pe orte 2"),
        ({"queue": "all.q,short.q@@fast"}, "-q all.q,short.q@@fast"),
        ({"queue": "*@n1"}, "-q *@n1"),
        ({"account": "physics"}, "-P physics"),
        ({"nodes": ["n1", "n2"]}, "-l h=n1|n2"),
        ({"nodes": ["all.q@n1"]}, "-l h=n1"),
        (
            {"options": {"os_distribution": "debian", "os_minor": "12"}},
            "-l os_distribution=debian -l os_minor=12",
        ),
        ({"options": {"resources": "a=1, b"}}, "-l a=1 -l b"),
        ({"options": {"notify": "yes"}}, "-notify"),
        ({"options": {"max_running": "10", "priority": "-5"}}, "-tc 10 -p -5"),
        ({"native": ["-l h_fsize=1G", "-R", "y"]}, "-l h_fsize=1G -R y"),
    ],
    ids=str,
)
def test_each_field_becomes_its_option(fields: dict[str, object], options: str) -> None:
    """GridMap's parameters, and the neutral ones, in Grid Engine's words."""
    assert extra(Resources(**fields)) == options  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nodes", "avoid", "hosts"),
    [
        ((), ("n2", "n1"), "!n1&!n2"),
        (("n1", "n2", "n3"), ("n2",), "n1|n3"),
        (("n1",), ("n1",), "n1"),
        (("n*", "@fast"), (), "n*|@fast"),
    ],
)
def test_white_list_and_avoided_nodes_go_together(
    nodes: tuple[str, ...], avoid: tuple[str, ...], hosts: str
) -> None:
    """Nodes are taken off a white list, but never its last one."""
    assert extra(Resources(nodes=nodes), avoid=avoid) == f"-l h={hosts}"


def test_a_shell_of_the_users_is_used() -> None:
    """Only where a shell is asked for does one start, and read its files."""
    options = native.options(Resources(options={"interpreting_shell": "/bin/bash"}))
    assert options[:6] == ("-b", "y", "-shell", "y", "-S", "/bin/bash")


@pytest.mark.parametrize("level", native.VALIDATION_LEVELS)
def test_the_users_validation_level_counts(level: str) -> None:
    """It is handed on."""
    options = native.options(Resources(options={"validation_level": level}))
    assert options[4:6] == ("-w", level)


def test_a_resources_option_counts_more_than_the_settings() -> None:
    """The settings' table is the site's default."""
    defaults = {"par_env": "mpi", "rerunnable": False}
    assert native.options(Resources(cores=2), (), defaults)[4:] == (
        *("-w", "e", "-r", "n", "-pe", "mpi", "2"),
    )
    mine = Resources(cores=2, options={"par_env": "smp", "rerunnable": "1"})
    assert extra(mine, defaults=defaults) == "-pe smp 2"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"queue": "all.q -l x=1"}, "queue"),
        ({"queue": "-pe"}, "queue"),
        ({"queue": "a'b"}, "queue"),
        ({"queue": "a,"}, "queue"),
        ({"account": "a,b"}, "account"),
        ({"account": 'a"b'}, "account"),
        ({"nodes": ["n1,h_vmem=0"]}, "nodes"),
        ({"nodes": ["n1|n2"]}, "nodes"),
        ({"nodes": ["!n1"]}, "nodes"),
        ({"cores": 2, "options": {"par_env": "a b"}}, "par_env"),
        ({"options": {"resources": "a=1 b"}}, "resources"),
        ({"options": {"resources": "=1"}}, "resources"),
        ({"options": {"os_minor": "1,x=2"}}, "os_minor"),
        ({"options": {"interpreting_shell": "/bin/my sh"}}, "interpreting_shell"),
        ({"options": {"validation_level": "x"}}, "validation_level"),
        ({"options": {"max_running": "0"}}, "max_running"),
        ({"options": {"priority": "high"}}, "priority"),
        ({"options": {"notify": "perhaps"}}, "notify"),
        ({"options": {"h_vmem": "1G,x=1"}}, "h_vmem"),
        ({"native": ["-l 'a"]}, "native"),
    ],
    ids=str,
)
def test_what_cannot_be_handed_on_is_refused(
    fields: dict[str, object], word: str
) -> None:
    """No value can smuggle in another option; the error names the field."""
    with pytest.raises(InvalidResourceError, match=word):
        native.options(Resources(**fields))  # type: ignore[arg-type]


@given(
    queue=st.text(min_size=1, max_size=8),
    account=st.text(min_size=1, max_size=8),
    node=st.text(min_size=1, max_size=8),
    request=st.text(min_size=1, max_size=8),
)
def test_no_text_adds_an_option(
    queue: str, account: str, node: str, request: str
) -> None:
    """Whatever the texts, they are refused, or are one word each, for both ways."""
    fields = {"queue": queue, "account": account, "nodes": (node,)}
    try:
        resources = Resources(**fields, options={"os_minor": request})  # type: ignore[arg-type]
        options = native.options(resources)
    except InvalidResourceError:
        return
    assert len(options) == len(PLAIN) + 8
    assert all(option.count(",") == 0 for option in options if "=" in option)
    assert native.specification(options).split() == list(options)
    assert shlex.split(native.specification(options)) == list(options)


@pytest.mark.parametrize("option", ["", "a b", "a'b", 'a"b', "a\\b", "a\nb"])
def test_a_specification_holds_no_odd_words(option: str) -> None:
    """DRMAA splits at blanks, and nobody knows what it makes of quotes."""
    with pytest.raises(InvalidResourceError, match=re.escape(repr(option))):
        native.specification(("-N", option))


def test_options_of_other_schedulers_are_named() -> None:
    """They are for a warning, not for an error."""
    resources = Resources(options={"qos": "high", "par_env": "smp"})
    assert native.unknown(resources) == ("qos",)


@given(amount=st.integers(1, 2**50))
def test_amounts_of_memory_are_exact(amount: int) -> None:
    """What is written is what was asked for, to the byte."""
    text = native.format_bytes(amount)
    match = re.fullmatch(r"(\d+)([TGMK]?)", text)
    assert match is not None
    factor = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}[match[2]]
    assert int(match[1]) * factor == amount
