"""Between processes of one user on one host: messages on Unix sockets.

A message goes from one process's thread to the other's by one call of the kernel.
libzmq has a thread of its own at either end, each of which has to be woken.
"""
