"""How `assets/models/head` is made: heads and masks, the network, its training, its model card."""
