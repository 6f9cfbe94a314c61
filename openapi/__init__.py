"""The description of the HTTP API, made from its own models and routes.

It is not deployed. Only the file that it writes is: `docs/openapi.json`.
"""
