"""Who decides when to train, which model takes over, and when it has to go: pure state machines over the log.

Nothing here reads a clock or writes anything. What is known follows from records that were fed in; what is to be done
is asked for with ``decide``, and counts as done only when its own record comes back from the log. So a restart that
reads the log again knows the same, and decides nothing twice.
"""
