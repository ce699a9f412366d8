"""Cells: pictures of blood cells, their simulation, and networks that name them."""
