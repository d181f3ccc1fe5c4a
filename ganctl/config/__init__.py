"""What a run was asked to do: every setting, resolved from the model, TOML and the command line."""
