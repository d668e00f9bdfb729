"""Sample responders. Yours can live anywhere in the project: name its module in `responders` of the stack's configuration."""
