"""The operator's tool. It works with the stores and actions of the product, which the Lambda functions find in their asset."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambdas"))
