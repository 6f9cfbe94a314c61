"""The CDK app: one stage, two stacks. `cdk synth -c stage=prod` needs no AWS credentials."""

import sys
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

sys.path.insert(0, str(Path(__file__).parent / "lambdas"))

from infra.config import StageConfig
from infra.service_stack import ServiceStack
from infra.storage_stack import StorageStack

app = cdk.App()
try:
    config = StageConfig.from_context(app.node.get_all_context())
except ValueError as error:
    sys.exit(str(error))
storage = StorageStack(app, f"FittingRoom-{config.stage}-Storage", config)
ServiceStack(app, f"FittingRoom-{config.stage}-Service", config, storage)
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
app.synth()
