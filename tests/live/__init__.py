"""The providers' contract against a live account: `make live PROVIDER=zoom`. No one runs it by accident."""
