"""What runs on a node: takes jobs from the monitor, one after another.

Two processes. The runner proper (`service`) talks to the monitor, beats, and watches;
its child, the worker (`worker`), only computes, so that whatever a function does to
its process, the runner can still tell. `machine` holds the runner's rules and
`workload` those of the jobs it holds, pure.

Started by the scheduler as ``python -m gridmap.runner HOME_ADDRESS JOB_PATH``.
"""
