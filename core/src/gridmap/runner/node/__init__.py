"""What many jobs share reaches a node once, and is in its memory once.

Runners of one run on one node find each other by a name in the kernel's abstract
namespace of Unix sockets (unix(7)), which is made with a secret of the run's. Binding it
is the election: who has it fetches, the others connect and are handed what was fetched,
as sealed memory. The name is gone with its process, however that ends, and then one of
those who have the memory binds it. What of all that fails, costs a runner one more
download: nothing here can fail a job.

`naming` says what the names are, `election` holds the rules, `lines` is what is said
between runners, and `sharing` the shell round them: one thread, which only runners have
that were sent something large between hosts. `runner.membership` begins it for these:
other runners import nothing of this package.
"""
