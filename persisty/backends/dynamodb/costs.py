"""What a plan is estimated to cost, in read units: how many items it looks at, how large they are."""
