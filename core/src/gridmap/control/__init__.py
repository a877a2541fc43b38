"""How other processes of the user see a run and order it about.

::

    record    an overview as bytes: what is sent, and what stays when a run is over
    kept      jobs that failed, as they were handed in
    register  the user's records: which runs there are and were
    messages  what is asked over a run's control socket, and what is answered
    door      the private directory of control sockets, and who is let in
    server    the run's end
    client    the other
    recorder  the observer that keeps the overview and has it written down
"""
