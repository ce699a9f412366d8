"""Proteins that bind RNA: read them, compare them, find their domains, and keep relatives on one side of a split."""
