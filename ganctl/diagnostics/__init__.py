"""What this installation, a component and a failure are, and how fast a model trains here."""
