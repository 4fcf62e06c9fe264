"""What `make demo` runs: demonstration leaflets, stand-in ERPs that hold them, and the sources.toml that reaches them."""
