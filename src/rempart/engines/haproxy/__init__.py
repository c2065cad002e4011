"""HAProxy, the HTTP edge: ends TLS, sorts visitors to sites, keeps origins from being overrun."""
