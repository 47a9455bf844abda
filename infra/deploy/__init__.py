"""Deploy a stage to AWS with one command: `python -m infra.deploy --stage S`. See docs/operators.md.

The steps: CloudFormation stacks, the stage's settings in `.chalice/`, `chalice deploy`, options of triggers that
Chalice does not set, a check of the deployed stage. Each step is idempotent: a second run changes nothing, and a failed
run can be repeated.
"""
