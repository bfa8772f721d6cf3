"""What an item is: attributes, types, generators, keys, indexes and the frozen `StoreMeta` made of them. No I/O."""
