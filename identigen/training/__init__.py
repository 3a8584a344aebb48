"""How `assets/models/` was made: `python -m identigen.training FACES_DIR OUT_DIR`."""
