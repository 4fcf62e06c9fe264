"""The index: settings and mapping, synonyms, generations, client and the embedded server."""
