"""What every room stands on: errors, findings, the tables rooms hand to each other, texts, files, panels.

A check makes `findings.Finding` values, and `findings.findings` the one table of them. Frames of outputs and
jobs have the columns named in `frames`; `frames.bundle` is what a result tells a report. `text` writes counts
and names into sentences, `panels` turns results into HTML, `masks` finds what is personal in a text. Only
`files` renames, hashes and reads the package's dated data.
"""
