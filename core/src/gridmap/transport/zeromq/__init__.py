"""Between hosts, and wherever a runner may be elsewhere: ZeroMQ over TCP, with CURVE.

This folder is the only place that imports zmq.
"""
