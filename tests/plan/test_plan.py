"""The plan of an app against what the app really does: keys, grants, routes and fields."""
