"""The SAC page: templates, one style sheet, one script, and the words that the templates say."""
