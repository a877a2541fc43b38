"""What Grid Engine's remarks mean, and what to change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sge.doubles import recorded

from gridmap.resources import Resources
from gridmap_sge import pending, qstat, reasons

# What `qsub -w v` said to 8.1.9 of the test cluster.
CASES = {
    "cores": (
        'Unable to run job: Job 2 cannot run in PE "smp" because it only offers 0 slots',
        Resources(cores=64),
        "no queue has so many slots on one host for parallel environment smp",
        "asked for 64 cores; the largest node of queue all.q has 4: ask for at most 4",
    ),
    "pe not in queue": (
        'Job 2 cannot run in PE "mpi" because it only offers 0 slots',
        Resources(cores=2),
        "no queue has so many slots on one host for parallel environment mpi",
        (
            "asked for 2 cores, and the largest node of queue all.q has 4: the parallel "
            "environment is not in that queue's pe_list (`qconf -sq all.q`), or is used "
            "up: name another with the option par_env"
        ),
    ),
    "memory": (
        recorded("qalter_never.txt"),
        Resources(),
        "no host has so much h_vmem",
        "asked for 500G; ask for at most 64G",
    ),
    "gpus": (
        'Job 7 (-l gpu=7) cannot run at host "n1" because it offers only hc:gpu=1.000000',
        Resources(gpus=7),
        "no host has so much gpu",
        "asked for 7; ask for at most 1",
    ),
    "nowhere left": (
        (
            "error: no suitable queues: (-l h_vmem=2,hostname=!n1&!n2) cannot run in "
            "all.q@n1 because it offers only qf:hostname=n1; (-l h_vmem=2,"
            "hostname=!n1&!n2) cannot run in all.q@n2 because it offers only "
            "qf:hostname=n2"
        ),
        Resources(),
        "no host is left that it may use: where a runner failed it is not sent again",
        "find out why runners fail there",
    ),
    "elsewhere": (
        (
            "(-l hostname=n3) cannot run in all.q@n1 because it offers only "
            "qf:hostname=n1"
        ),
        Resources(nodes=("n3",)),
        "no host that it may use has a queue for it",
        "name others with nodes=, or none; `qstat -f` shows which queue is where",
    ),
    "a host without memory": (
        (
            "(-l hostname=n2,h_vmem=900G) cannot run in all.q@n1 because it offers "
            "only qf:hostname=n1; (-l hostname=n2,h_vmem=900G) cannot run at n2 "
            "because it offers only hc:h_vmem=64.000G"
        ),
        Resources(nodes=("n2",)),
        "no host has so much h_vmem",
        "asked for 900G; ask for at most 64G",
    ),
    "another kind": (
        "(-l arch=sparc) cannot run at n1 because it offers only hl:arch=lx-amd64",
        Resources(),
        "no host has the arch asked for",
        "ask for another: there is lx-amd64",
    ),
    "unknown resource": (
        'Unable to run job: unknown resource "nosuch"',
        Resources(),
        "this cell knows no resource nosuch, or no queue has it",
        "leave nosuch out; `qconf -sc` lists what can be asked for",
    ),
    "load value": (
        recorded("qsub_unproven.txt"),
        Resources(),
        "this cell knows no resource mem_free, or no queue has it",
        "leave mem_free out; `qconf -sc` lists what can be asked for",
    ),
    "queue": (
        (
            "Unable to run job: Job was rejected because job requests unknown queue "
            '"nosuch"'
        ),
        Resources(queue="nosuch"),
        "there is no queue nosuch",
        "name another, or none; `qconf -sql` lists them",
    ),
    "environment": (
        'job rejected: the requested parallel environment "nosuch" does not exist',
        Resources(cores=2),
        "there is no parallel environment nosuch, which jobs of several cores need",
        "name another with the option par_env; `qconf -spl` lists them",
    ),
    "project": (
        'job rejected: the requested project "nosuch" does not exist',
        Resources(account="nosuch"),
        "there is no project nosuch",
        "name another with account=, or none; `qconf -sprjl` lists them",
    ),
    "host": (
        'Unable to run job: can\'t resolve hostname "nosuch"',
        Resources(nodes=["nosuch"]),
        "there is no host nosuch",
        "name others with nodes=; `qconf -sel` lists them",
    ),
    "full": (
        'queue instance "all.q@n2" dropped because it is full',
        Resources(),
        "every slot is taken",
        "there is nothing to do but to wait",
    ),
    "error": (
        'can\'t open output file "/home/a/runs/1/logs/7.1.log": No such file or directory',
        Resources(),
        "the node cannot write the runner's log: it does not see the run directory",
        "name a directory that the nodes share with the setting run_directory",
    ),
}


@pytest.mark.parametrize(
    ("remarks", "asked", "meaning", "advice"), CASES.values(), ids=CASES
)
def test_a_remark_means_this(
    remarks: str, asked: Resources, meaning: str, advice: str
) -> None:
    """With what to ask for instead, where that can be known."""
    words = pending.explain(remarks.splitlines())
    told = reasons.explain(words, asked, {"all.q": 4})
    assert (told.reason, told.meaning, told.advice) == (words, meaning, advice)


def test_a_hold_outweighs_full_queues() -> None:
    """What no waiting cures comes first."""
    remarks = qstat.parse_details(recorded("qstat_j.txt"))["161"].remarks
    told = reasons.explain(pending.explain(remarks), Resources())
    assert told.meaning == "it is on hold"


def test_the_largest_node_of_each_queue_is_found() -> None:
    """Over all its hosts; answers that make no sense say nothing."""
    text = """<?xml version='1.0'?><job_info><queue_info>
    <Queue-List><name>all.q@n1</name><slots_total>4</slots_total></Queue-List>
    <Queue-List><name>all.q@n2</name><slots_total>16</slots_total></Queue-List>
    <Queue-List><name>long.q@n2</name><slots_total>2</slots_total></Queue-List>
    </queue_info><job_info></job_info></job_info>"""
    assert qstat.parse_largest(text) == {"all.q": 16, "long.q": 2}
    assert qstat.parse_largest("error: no master") == {}


@given(words=st.text(max_size=80), cores=st.integers(1, 99))
def test_any_words_are_explained(words: str, cores: int) -> None:
    """No word raises, and each is kept."""
    assert reasons.explain(words, Resources(cores=cores), {}).reason == words
