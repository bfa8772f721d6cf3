"""The functions on AWS: each loads the app once and passes its events to a surface."""

import gc

ALLOCATIONS = 50_000
"""Objects that a process makes before the garbage collector looks for cycles. Python's 700 cost a tenth of the time of a cold start, whose objects all stay."""

gc.set_threshold(ALLOCATIONS)
