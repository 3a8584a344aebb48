"""How `assets/models/harmoniser.safetensors` is made: pairs of a drawn and a true face, the network's training."""
