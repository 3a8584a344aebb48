"""Who appears instead: the appearance codec and the prior over identities."""
