"""What a trained model is used for, one use a module: explain it, find its motifs, apply it, hand it over."""
