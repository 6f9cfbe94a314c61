"""The CDK app: one stage, two stacks. `cdk synth -c stage=prod` needs no AWS credentials."""

import sys
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

sys.path.insert(0, str(Path(__file__).parent / "lambdas"))

from infra.config import StageConfig
from infra.constructs.bundle import BundleError
from infra.service_stack import ServiceStack
from infra.storage_stack import StorageStack


def main() -> None:
    app = cdk.App()
    try:
        config = StageConfig.from_context(app.node.get_all_context())
    except ValueError as error:
        sys.exit(str(error))
    storage = StorageStack(app, f"FittingRoom-{config.stage}-Storage", config)
    try:
        ServiceStack(app, f"FittingRoom-{config.stage}-Service", config, storage)
    except BundleError as error:
        sys.exit(f"BundleError: {error}")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


if __name__ == "__main__":  # a process that is spawned imports this module again
    main()
