"""The real `chalice deploy`, and the deployed Lambdas."""
