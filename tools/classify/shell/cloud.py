"""`aws`: operations are told apart by the verbs that all its services share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .unproven import Unproven
from .words import ANYTHING

if TYPE_CHECKING:
    from .simple import Simple
    from .words import Word

_READS = re.compile(
    r"\w[\w-]* (?:describe|list|batch-get)-[a-z0-9-]+"
    r"|s3 ls|configure (?:list|get|list-profiles)|logs (?:tail|filter-log-events|get-log-events)"
    r"|s3api (?:head-object|head-bucket|get-bucket-[a-z-]+|get-public-access-block)"
    r"|iam get-[a-z-]+|sts get-caller-identity|ssm get-parameters?(?:-by-path|-history)?"
    r"|lambda get-(?:function(?:-configuration|-concurrency)?|policy|alias|account-settings)"
    r"|cloudwatch get-(?:metric-(?:data|statistics)|dashboard)|dynamodb (?:get-item|query|scan)"
    r"|route53 get-[a-z-]+|secretsmanager get-(?:secret-value|resource-policy)"
    r"|sqs get-queue-(?:attributes|url)|sns get-(?:topic|subscription)-attributes"
    r"|cloudformation get-(?:template(?:-summary)?|stack-policy)|cloudtrail lookup-events"
    r"|apigateway get-(?:rest-apis?|resources?|stages?|deployments?|method)|athena get-query-[a-z]+"
    r"|ce get-[a-z-]+|glue get-(?:tables?|databases?|jobs?|job-runs?|partitions?|crawlers?)"
    r"|kms get-key-(?:policy|rotation-status)|elbv2 get-[a-z-]+"
    r"|cloudfront get-distribution(?:-config)?"
)
_ELSEWHERE = "--endpoint-url"
_FETCHED = ("http://", "https://")
_SENT = ("file://", "fileb://")
_OF_THE_CLIENT = re.compile(r"--cli-(?!read-timeout|connect-timeout|binary-format)|--ca")
"""Options, however short they are written, that take the call from a file or ask for more."""


def check_aws(command: Simple) -> None:
    """Judge an AWS command by its service and operation.

    Raises:
        Unproven: the operation is not known to only read, or it speaks to another endpoint.
    """
    name, operands = command.name, command.given(stop=True).operands
    service, operation, *rest = [*operands, ANYTHING, ANYTHING]
    if not (service.exact and operation.exact):
        raise Unproven("shell-sub-command", f"`{name}` may act here.")
    called = f"{service.head} {operation.head}"
    if not _READS.fullmatch(called):
        raise Unproven("shell-sub-command", f"`{name} {called}` is not known to only read.")
    for word in rest[: len(operands) - 2]:
        _check_argument(name, word)


def _check_argument(name: str, word: Word) -> None:
    if word.may_be_option and not word.exact and not re.match(r"--[a-z-]+=", word.head):
        raise Unproven("shell-option", f"An argument of `{name}` may turn out to be an option.")
    option = word.head.partition("=")[0]
    if option not in {"", "-", "--"} and _ELSEWHERE.startswith(option):
        raise Unproven("egress-network", f"`{name} {option}` speaks to another address.")
    if _OF_THE_CLIENT.match(option):
        raise Unproven("shell-option", f"`{name} {option}` is not known to only read.")
    values = (word.head, word.head.partition("=")[2])
    if any(value.startswith(_SENT) for value in values):
        raise Unproven("egress-network", f"`{name}` sends the file in `{word.head[:60]}`.")
    if any(value.startswith(_FETCHED) for value in values):
        raise Unproven("egress-network", f"`{name}` may fetch `{word.head[:60]}`.")
