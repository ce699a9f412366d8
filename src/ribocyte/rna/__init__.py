"""RNA: sequences, RNAcompete measurements, their simulation, and networks that predict binding."""
