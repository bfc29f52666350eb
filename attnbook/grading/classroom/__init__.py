"""The commands for a class, from a folder of files to a file a result.

=================  =======================================================
``classes``        the command ``class``: the order of things
``options``        its arguments
``understanding``  what was given, as understood; what is refused
``planning``       what is still to be graded
``tasks``          grades it; ``workers`` are its processes
``progress``       how far it is
``summary``        what is told before and afterwards
``runs``           the record, the secret and the lock of a run
``fingerprints``   digests of what a grade hangs on
``shards``         shares of a class
``merging``        the command ``merge``: joins their results
``points``         the command ``points``: points by hand
=================  =======================================================
"""
