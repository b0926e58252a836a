"""HTTP: requests, routes and responses of handlers, and the services that they use."""
