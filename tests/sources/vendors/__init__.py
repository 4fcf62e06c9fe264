"""Stand-ins for the ERPs that cannot be had, a module each: a small server that keeps products and speaks its vendor's wire."""
