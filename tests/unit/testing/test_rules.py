"""Rules speak to a plugin's author, and the suite's tools keep their word."""

import pickle
import subprocess
import threading
from pathlib import Path

import pytest

from gridmap.testing import BrokenRuleError, Rule, eventually
from gridmap.testing.leftovers import holdings, process_starts
from gridmap.testing.rules import require, under


@pytest.mark.parametrize("rule", list(Rule), ids=lambda rule: rule.name)
def test_each_rule_is_a_sentence(rule: Rule) -> None:
    """A rule can be read without its name."""
    assert rule.value[0].isupper()
    assert rule.value.endswith(".")
    assert "  " not in rule.value


def test_failure_names_rule_and_finding() -> None:
    """The author learns which rule, what it says, and what was seen."""
    with pytest.raises(BrokenRuleError) as caught:
        require(False, Rule.END_IS_SEEN, "it is shown as running")
    text = str(caught.value)
    assert f"rule {Rule.END_IS_SEEN.number}, END_IS_SEEN" in text
    assert Rule.END_IS_SEEN.value in text
    assert "it is shown as running" in text
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.rule, str(again)) == (Rule.END_IS_SEEN, text)


def test_what_is_kept_is_silent() -> None:
    """A true condition is no news."""
    require(["something"], Rule.END_IS_SEEN, "never shown")


def test_numbers_count_from_one() -> None:
    """Each rule has a number of its own."""
    assert [rule.number for rule in Rule] == list(range(1, len(Rule) + 1))


def test_assertions_come_under_a_rule() -> None:
    """An assertion without a rule gets one; one that has a rule keeps it."""
    with pytest.raises(BrokenRuleError, match="KILL_ENDS"), under(Rule.KILL_ENDS):
        assert not "still there"
    with pytest.raises(BrokenRuleError, match="END_IS_FINAL"), under(Rule.KILL_ENDS):
        require(False, Rule.END_IS_FINAL, "back again")


def test_waiting_returns_the_first_true_answer() -> None:
    """The answer itself comes back, not only that there was one."""
    answers = iter(["", 0, None, "yes", "no"])
    assert eventually(lambda: next(answers), within_s=10, what="an answer") == "yes"


def test_waiting_ends() -> None:
    """A deadline that is over is told with what was waited for and last seen."""
    with pytest.raises(AssertionError, match=r"rain: not within 0 s; last seen: \[\]"):
        eventually(list[int], within_s=0, what="rain")


def test_processes_started_are_recorded() -> None:
    """Whatever starts a process is noticed, as long as anybody listens."""
    with process_starts() as events:
        subprocess.run(["/bin/true"], check=True)
    assert events
    with process_starts() as none:
        pass
    subprocess.run(["/bin/true"], check=True)
    assert none == []


def test_leftovers_are_named() -> None:
    """Threads, processes and files that stay behind are told, what was there is not."""
    before = holdings()
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="poller")
    thread.start()
    child = subprocess.Popen(["/bin/sleep", "60"])
    with Path("/etc/hostname").open("rb"):
        after = holdings()
    child.kill()
    child.wait()
    done.set()
    thread.join()
    leak = " ".join(after.beyond(before))
    assert "thread 'poller'" in leak
    assert f"child process {child.pid}: /bin/sleep 60" in leak
    assert "open file /etc/hostname" in leak
    assert after.beyond(after) == []
    assert holdings().beyond(before) == []
