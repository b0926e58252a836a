"""HTTP: from an API Gateway event to a handler's function and back."""
