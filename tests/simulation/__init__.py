"""One ledger and many runner machines, joined by a network and a scheduler of ours.

Everything runs in virtual time from one seed: a run that fails is told as a story and
replays exactly. What is real: the ledger, the runner machines, the codec and the
sessions. What is simulated: sockets, processes, nodes, the scheduler, and people.
"""
