"""One command that puts a stage on AWS: `python -m infra.deploy --stage S`; docs/operators.md tells the rest.

Stacks, then the stage's settings in `.chalice/`, then `chalice deploy`, then what Chalice cannot say about triggers,
then a look at what is there. Each step finds what an earlier run left, so a second run changes nothing and a failed
one can be run again.
"""
