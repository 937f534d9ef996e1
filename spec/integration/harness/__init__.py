"""What the integration tests and the demonstration run on: Prosody, XMPP clients, HTTP backends."""
