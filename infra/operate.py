"""Create workspaces and keys from a terminal: the same function that `chalice invoke -n operate` reaches.

    python -m infra.operate create-workspace --workspace-id acme --name "Acme" --admin admin@example.com

It works on the tables that the environment names, with this terminal's AWS rights.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from chalicelib import operations, wiring


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and print its answer as JSON; the exit code is 1 if it was refused."""
    parser = argparse.ArgumentParser(prog="python -m infra.operate", description="Workspaces and their API keys.")
    parser.add_argument("do", choices=sorted(operations.VERBS))
    parser.add_argument("--workspace-id", required=True)
    parser.add_argument("--name")
    parser.add_argument("--admin", action="append", dest="admin_emails", help="address of an administrator; repeatable")
    parser.add_argument("--return-to", action="append", help="address the settings page may lead back to; repeatable")
    parser.add_argument("--key-id")
    parser.add_argument("--note")
    parser.add_argument("--hold-minutes", type=int, help="how long an invitation waits for a link that is late")
    parser.add_argument("--reminder-minutes", type=int, help="when calendars remind of a booking")
    parser.add_argument("--brand", type=json.loads, help='JSON: {"name", "color", "logo_url", "footer", "sender"}')
    parser.add_argument("--email", help="an address that bounced or complained")
    request = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    answer = operations.run(request, wiring.services())
    print(json.dumps(answer, indent=2))
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
