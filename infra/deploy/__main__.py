"""The command line. See `docs/operators.md`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import chalice_config, default_address, location, rest_api, stage_check
from infra.deploy.aws_errors import explain
from infra.deploy.check_results import CheckResult
from infra.deploy.deploy_options import DeployOptions
from infra.deploy.deployment import deploy_stage
from infra.deploy.stage import PROJECT, DeployError, Stage
from infra.deploy.teardown import delete_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy, check or delete a stage. Exit code 0 of the first two means: bookings are settled and mailed."""
    options = _parser().parse_args(arguments)
    try:
        stage = _open_stage(options)
        if options.check:
            return _check(stage)
        location.require_match(stage)
        if options.down:
            return _delete(stage, options.delete_data)
        require_python()
        return _deploy(stage, _deploy_options(options))
    except DeployError as error:
        print(error, file=sys.stderr)
    except (BotoCoreError, ClientError) as error:
        print(explain(error), file=sys.stderr)
    except json.JSONDecodeError as error:
        print(f"A file in .chalice is not valid JSON: {error}. Restore it from version control.", file=sys.stderr)
    except OSError as error:
        print(f"{error}. Fix this, then run the command again.", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted. Run this again to continue.", file=sys.stderr)
    return 1


def require_python(pin: Path = PROJECT / ".python-version") -> None:
    """Raise `DeployError` unless this is the pinned Python version: it determines the functions' runtime."""
    pinned, running = pin.read_text(encoding="utf-8").strip(), f"{sys.version_info.major}.{sys.version_info.minor}"
    if running != pinned:
        raise DeployError(
            f"Deploy with Python {pinned}. This is {running}, and the running functions would change to it. "
            f"`make clean .venv/ready PYTHON=python{pinned}` installs the right one."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description="Deploy a stage to AWS.")
    parser.add_argument("--stage", required=True, help="the stage's name, such as dev or prod")
    parser.add_argument("--region", help="the AWS region; by default that of the environment or the profile")
    parser.add_argument("--profile", help="a profile of the AWS configuration")
    parser.add_argument("--mail-from", help="the address that invitations come from; required the first time")
    parser.add_argument(
        "--receive",
        action=argparse.BooleanOptionalAction,
        help="receive the answers that calendars send to --mail-from, until a deployment with --no-receive",
    )
    parser.add_argument("--alarm-email", help="the address that receives alarms")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="set a setting; repeatable")
    parser.add_argument("--unset", action="append", default=[], metavar="NAME", help="remove a setting; repeatable")
    parser.add_argument("--bucket", help="deploy through CloudFormation and upload the code to this S3 bucket")
    parser.add_argument("--domain", help="the API's custom domain name, such as meet.example.com")
    parser.add_argument("--certificate", metavar="ARN", help="the domain's certificate in ACM in the stage's region")
    parser.add_argument(
        "--close-default-address",
        action=argparse.BooleanOptionalAction,
        help="serve the API only at its domain, until a deployment with --no-close-default-address",
    )
    parser.add_argument(
        "--monthly-budget", metavar="USD", help="email the alarm address when costs reach this; US dollars"
    )
    parser.add_argument("--web-acl", metavar="ARN", help="protect the API with this web ACL of AWS WAF")
    parser.add_argument("--check", action="store_true", help="check the stage; changes nothing")
    parser.add_argument("--down", action="store_true", help="delete the stage, but keep its data")
    parser.add_argument("--delete-data", metavar="STAGE", help="with --down: delete tables, key and secrets too")
    return parser


def _open_stage(options: argparse.Namespace) -> Stage:
    location.select(options.profile, options.region)
    session = boto3.Session()
    if not session.region_name:
        raise DeployError("No region is configured: pass --region, such as eu-central-1.")
    return Stage(options.stage, session)


def _deploy_options(options: argparse.Namespace) -> DeployOptions:
    return DeployOptions(
        mail_from=options.mail_from,
        receive=options.receive,
        alarm_email=options.alarm_email,
        settings=chalice_config.parse_settings(options.set),
        unset=options.unset,
        bucket=options.bucket,
        domain=options.domain,
        certificate=options.certificate,
        monthly_budget=options.monthly_budget,
        web_acl=options.web_acl,
        close_default_address=options.close_default_address,
    )


def _deploy(stage: Stage, options: DeployOptions) -> int:
    results = deploy_stage(stage, options, _say)
    return _report(stage, results, f"Deployed: {rest_api.address(stage)}")


def _check(stage: Stage) -> int:
    _say(f"Stage {stage.name} in account {stage.account()}, {stage.region} ...")
    results = stage_check.check(stage)
    if line := default_address.describe(stage, rest_api.find_api(stage)[0]):
        _say(line)
    return _report(stage, results, f"Bookings are settled and mailed: {rest_api.address(stage)}")


def _report(stage: Stage, results: Sequence[CheckResult], success: str) -> int:
    for result in results:
        _say(f"{'Problem' if result.is_problem else 'Warning'}: {result.text}")
    problems = sum(result.is_problem for result in results)
    if not problems:
        _say(success)
        return 0
    command = f"python -m infra.deploy --stage {stage.name} --check"
    counted = f"{problems} problems. Fix them" if problems > 1 else "1 problem. Fix it"
    _say(f"Not ready: {counted}, then check again: {command}")
    return 1


def _delete(stage: Stage, delete_data: str | None) -> int:
    if delete_data not in (None, stage.name):
        raise DeployError("--delete-data must repeat the stage's name. Nothing was deleted.")
    delete_stage(stage, delete_data=delete_data is not None, say=_say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
