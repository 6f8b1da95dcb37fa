"""Output lines: their layout, and how they are read into batches of columns, here or by a process beside.

``python -m bbkit.lines`` is that process (`bbkit.outputs.workers` starts it), so nothing here loads pandas.
"""
