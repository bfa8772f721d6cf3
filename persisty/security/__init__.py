"""Who may do what. Access rules are declared beside the item and deny what they do not name."""
