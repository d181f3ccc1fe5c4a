"""The settings of a run: their names, defaults and help, and how layers of settings are resolved."""
