"""The wire formats of other services, one module each: translations to and from requests that Larder answers."""
