"""The functions on AWS: each loads the app once and passes its events to a surface."""
