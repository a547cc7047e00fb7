"""Takes frames from where they are: capture files, later live interfaces. Decodes nothing."""
