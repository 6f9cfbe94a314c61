"""The app as a whole: rules of others (cdk-nag, cfn-lint), and what a user sees when something is off."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.infra.synthesized import ROOT, WITH_KEYS, Synthesized, run_app

ACKNOWLEDGED = {  # rule, and the construct it is accepted on
    "S1": {"Storage/Inbox", "Storage/Media"},
    "SMG4": {f"Storage/Key-{vendor}" for vendor in WITH_KEYS},
    "APIG4": {"Service/HttpApi/Api"},
    "DDB3": {"Storage/Table"},
}


def _acknowledged(stage: Synthesized) -> dict[str, set[str]]:
    report = json.loads((stage.folder / "validation-report.json").read_text())
    (nag,) = (one for one in report["pluginReports"] if one["pluginName"] == "AwsSolutions")
    assert (nag["conclusion"], nag["violations"]) == ("success", [])
    found: dict[str, set[str]] = {}
    for item in nag["suppressedViolations"]:
        rule = re.sub(r"\[.*", "", item["ruleName"].removeprefix("AwsSolutions-"))
        found.setdefault(rule, set()).add(re.sub(r"FittingRoom-\w+-", "", item["acknowledgedAt"]))
        assert item["reason"]
    return found


def test_cdk_nag_is_clean_but_for_what_is_acknowledged_with_a_reason(
    dev: Synthesized, prod: Synthesized, every: Synthesized
) -> None:
    of_prod = {rule: on for rule, on in ACKNOWLEDGED.items() if rule != "DDB3"}
    for stage, rules in ((dev, ACKNOWLEDGED), (prod, of_prod), (every, of_prod)):
        found = _acknowledged(stage)
        roles = found.pop("IAM5")  # each one listed in test_permissions
        assert found == rules
        assert all(role.endswith(("Role", "Batch/Map")) for role in roles)


def test_cfn_lint_is_clean(dev: Synthesized, prod: Synthesized, every: Synthesized) -> None:
    # W3005: CDK repeats dependencies. W6001: outputs of storage are shown again beside the service's, in one place.
    templates = [str(path) for stage in (dev, prod, every) for path in stage.folder.glob("*.template.json")]
    command = [str(Path(sys.executable).parent / "cfn-lint"), "-i", "W3005", "W6001", "-t", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert len(templates) == 6


def test_a_team_s_stacks_are_protected_against_deletion(dev: Synthesized, prod: Synthesized) -> None:
    for stage, protected in ((dev, {None, False}), (prod, {True})):
        stacks = json.loads((stage.folder / "manifest.json").read_text())["artifacts"].values()
        found = {
            s["properties"].get("terminationProtection") for s in stacks if s["type"] == "aws:cloudformation:stack"
        }
        assert found <= protected


def test_an_unknown_stage_is_one_clear_line(tmp_path: Path) -> None:
    done = run_app({"stage": "live"}, str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "stage: 'live' is not a stage. Use -c stage=dev or -c stage=prod.\n"


def test_a_template_tells_nothing_of_the_machine_that_made_it(stage: Synthesized) -> None:
    for template in stage.folder.glob("*.template.json"):
        assert str(ROOT) not in template.read_text()
