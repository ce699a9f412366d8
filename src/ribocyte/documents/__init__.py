"""Text, figures and tables said once: written as an article (PDF), a page (HTML) or Markdown."""
