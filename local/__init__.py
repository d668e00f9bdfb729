"""Runs the project's Pulumi program without the Pulumi CLI and without AWS: emulator, provider and engine."""
