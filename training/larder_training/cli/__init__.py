"""The command lines of training, evaluation and audit: one module a command."""
