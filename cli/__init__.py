"""The ``lockstep`` command, one file per verb."""
