"""The version of this client: that of the meetlink it was built for."""

VERSION = "0.1.0"
