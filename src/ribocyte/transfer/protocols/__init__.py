"""The protocols: which trainings each asks for, what is scored, and what is concluded."""
