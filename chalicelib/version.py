"""The version of this release. Every response, the OpenAPI document and the published clients have it."""

VERSION = "0.1.0"
"""Semantic versioning. `pyproject.toml` and the clients have the same; a test compares them."""
