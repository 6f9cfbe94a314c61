"""The description of the HTTP API, made from its own models and routes. It is no part of what is deployed: only the file
that it writes, `docs/openapi.json`, is."""
