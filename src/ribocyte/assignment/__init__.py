"""The course assignment's questions as studies, and the pages they produce."""
