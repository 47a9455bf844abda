"""What operators do from a terminal, with the terminal's AWS rights: `python -m infra.operate`; see docs/operators.md.

Nothing here ships. No function of the product may do what these commands do: read everything about a person, delete it,
hand records to functions a second time.
"""
