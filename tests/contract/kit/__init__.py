"""The contract that every provider passes. A provider's test declares a `Subject` and inherits `ProviderContract`."""
