"""The command line: see `docs/operators.md`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import default_address, location, settings, verify
from infra.deploy.down import take_down
from infra.deploy.failures import explain
from infra.deploy.findings import Finding
from infra.deploy.stage import PROJECT, DeployError, Stage
from infra.deploy.up import Wishes, put_up


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy a stage, check it or take it down. Exit code 0 of the first two: bookings are settled and mailed."""
    given = _parser().parse_args(arguments)
    try:
        stage = _stage(given)
        if given.check:
            return _check(stage)
        location.check(stage)
        if given.down:
            return _down(stage, given.delete_data)
        check_python()
        return _up(stage, _wishes(given))
    except DeployError as error:
        print(error, file=sys.stderr)
    except (BotoCoreError, ClientError) as error:
        print(explain(error), file=sys.stderr)
    except json.JSONDecodeError as error:
        print(f"A file in .chalice is not valid JSON: {error}. Restore it from version control.", file=sys.stderr)
    except OSError as error:
        print(f"{error}. Solve that and run this again.", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted. Run this again: it continues with what is there.", file=sys.stderr)
    return 1


def check_python(pin: Path = PROJECT / ".python-version") -> None:
    """Raise `DeployError` for another Python than the pinned one: the functions' runtime follows the interpreter."""
    pinned, running = pin.read_text(encoding="utf-8").strip(), f"{sys.version_info.major}.{sys.version_info.minor}"
    if running != pinned:
        raise DeployError(
            f"Deploy with Python {pinned}: this is {running}, and functions would change to it while they run. "
            f"`make clean .venv/ready PYTHON=python{pinned}` installs the tools for it."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description="Put a stage on AWS.")
    parser.add_argument("--stage", required=True, help="such as dev or prod")
    parser.add_argument("--region", help="by default the one that the environment or the profile names")
    parser.add_argument("--profile", help="of the AWS configuration")
    parser.add_argument("--mail-from", help="the address that invitations come from; needed the first time")
    parser.add_argument("--alarm-email", help="whom alarms are mailed to")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; repeatable")
    parser.add_argument("--unset", action="append", default=[], metavar="NAME", help="remove a setting; repeatable")
    parser.add_argument("--bucket", help="deploy through CloudFormation, with the code in this S3 bucket")
    parser.add_argument("--domain", help="the API's own domain name, such as meet.example.com")
    parser.add_argument("--certificate", metavar="ARN", help="the domain's, in ACM in the stage's region")
    parser.add_argument(
        "--close-default-address",
        action=argparse.BooleanOptionalAction,
        help="have the API answer at its domain alone; remembered until --no-close-default-address",
    )
    parser.add_argument("--monthly-budget", metavar="USD", help="whom alarms are mailed to hears when it is used up")
    parser.add_argument("--web-acl", metavar="ARN", help="of AWS WAF in the stage's region, put before the API")
    parser.add_argument("--check", action="store_true", help="check the stage and change nothing")
    parser.add_argument("--down", action="store_true", help="delete the stage, but not its data")
    parser.add_argument("--delete-data", metavar="STAGE", help="with --down: its tables, key and secrets too")
    return parser


def _stage(given: argparse.Namespace) -> Stage:
    location.enter(given.profile, given.region)
    session = boto3.Session()
    if not session.region_name:
        raise DeployError("No region is configured: give --region, such as eu-central-1.")
    return Stage(given.stage, session)


def _wishes(given: argparse.Namespace) -> Wishes:
    return Wishes(
        mail_from=given.mail_from,
        alarm_email=given.alarm_email,
        settings=settings.chosen(given.set),
        unset=given.unset,
        bucket=given.bucket,
        domain=given.domain,
        certificate=given.certificate,
        monthly_budget=given.monthly_budget,
        web_acl=given.web_acl,
        close_default_address=given.close_default_address,
    )


def _up(stage: Stage, wishes: Wishes) -> int:
    findings = put_up(stage, wishes, _say)
    return _report(stage, findings, f"Deployed: {verify.address(stage)}")


def _check(stage: Stage) -> int:
    _say(f"Stage {stage.name} in account {stage.account()}, {stage.region} ...")
    findings = verify.check(stage)
    if line := default_address.describe(stage, verify.rest_api(stage)[0]):
        _say(line)
    return _report(stage, findings, f"Bookings are settled and mailed: {verify.address(stage)}")


def _report(stage: Stage, findings: Sequence[Finding], good_news: str) -> int:
    for finding in findings:
        _say(f"{'Problem' if finding.is_problem else 'Warning'}: {finding.text}")
    problems = sum(finding.is_problem for finding in findings)
    if not problems:
        _say(good_news)
        return 0
    again = f"python -m infra.deploy --stage {stage.name} --check"
    _say(f"Not ready: {problems} problem{'s' * (problems > 1)}. When that is done, look again: {again}")
    return 1


def _down(stage: Stage, delete_data: str | None) -> int:
    if delete_data not in (None, stage.name):
        raise DeployError("--delete-data must repeat the stage's name. Nothing was deleted.")
    take_down(stage, delete_data=delete_data is not None, say=_say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
