"""Random verbs over every engine, compared with a model in plain Python after each call.

`make test` runs a few hundred calls for each engine. `make differential` runs more, with `CALLS=…` and `SEED=…`.
"""
