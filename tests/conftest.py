"""What every test needs before anything of the product is imported."""

import os

os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "fitting-room")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "FittingRoom")
