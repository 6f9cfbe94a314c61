"""Other vendors' APIs, answered by this one: code that was written for them runs here once its address is changed.

A folder per dialect, to be read beside the vendor's page. A dialect translates a request into the body of `POST
/v1/jobs`, and a job into the vendor's answer. What is below knows of no dialect.
"""
