"""The providers' contract against a live account: `make live PROVIDER=zoom`. Nobody runs it by accident."""
