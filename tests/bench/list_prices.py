"""What AWS asks for, in USD: list prices of us-east-1, free tiers and volume discounts left out.

Collected on 2026-11-26 from stored copies, which may be older. Step Functions and X-Ray were read on AWS's own pages and the
HTTP API in an AWS whitepaper; all others come from pages of third parties. Compare them with the pages named first.
"""

from __future__ import annotations

TRANSITION = 0.025 / 1_000  # aws.amazon.com/step-functions/pricing: Standard Workflows, retries included
LAMBDA_GB_SECOND = 0.0000133334  # aws.amazon.com/lambda/pricing: Arm, first tier
LAMBDA_REQUEST = 0.20 / 1e6  # the same page
DYNAMODB_WRITE_UNIT = 0.625 / 1e6  # aws.amazon.com/dynamodb/pricing/on-demand: since November 2024
DYNAMODB_READ_UNIT = 0.125 / 1e6  # the same page
S3_PUT = 0.005 / 1_000  # aws.amazon.com/s3/pricing: PUT, COPY, POST and LIST, Standard
S3_GET = 0.0004 / 1_000  # the same page: GET and all others; DELETE is free
S3_GB_MONTH = 0.023  # the same page: Standard, first 50 TB
HTTP_API_REQUEST = 1.00 / 1e6  # aws.amazon.com/api-gateway/pricing: HTTP API, per 512 KB
LOG_GB = 0.50  # aws.amazon.com/cloudwatch/pricing: ingestion, Standard class, vended logs too
TRACE = 5.00 / 1e6  # aws.amazon.com/xray/pricing
QUEUE_REQUEST = 0.40 / 1e6  # aws.amazon.com/sqs/pricing: assumed, the page was not read
SECRET_CALL = 0.05 / 10_000  # aws.amazon.com/secrets-manager/pricing: assumed, the page was not read
INTERNET_GB = 0.09  # aws.amazon.com/ec2/pricing/on-demand: data out to the internet, first 10 TB
