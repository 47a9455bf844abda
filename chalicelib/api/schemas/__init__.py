"""Requests and responses: the structs of one resource, and their conversion from and to domain values."""
