"""How `assets/models/occluders.safetensors` is made: faces with known cover, what is laid over them, the training."""
