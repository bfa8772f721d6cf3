"""The examples, as their users meet them."""
