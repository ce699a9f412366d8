"""Learning: splits in, a run out, a predictor from it. Knows no biology."""
