"""An example: a backend for the toy scheduler `toyq`, which comes with it."""
