"""The functions on AWS: each loads the app once and hands its events to the surface that answers them."""
