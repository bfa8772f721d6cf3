"""The model of items: attributes, types, generators, keys, indexes and the frozen `StoreMeta` made from them. No I/O."""
