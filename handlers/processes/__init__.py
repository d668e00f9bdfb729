"""Sample processors. Yours can live anywhere in the project: name its module in `distributed` of the stack's configuration."""
