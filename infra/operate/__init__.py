"""Commands for operators, with the AWS permissions of the terminal: `python -m infra.operate`; see docs/operators.md.

None of this ships. No function of the product may do what these commands do: read or delete all data of a person, or
invoke functions with events again.
"""
