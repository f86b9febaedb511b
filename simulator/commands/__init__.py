"""What ``audition`` can be told to do, one function a command; :mod:`simulator.cli` joins them.

Heavy imports happen inside the functions, so that help is quick.
"""
