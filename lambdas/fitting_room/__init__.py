"""Everything that the functions share. `infra/` and the tests import it too."""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.disable()  # imports leave no garbage, and looking for it takes a fifth of a cold start; see `cold.warm`
