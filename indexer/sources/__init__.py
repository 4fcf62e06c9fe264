"""The ERPs: what is asked of each (`base`), how they are configured (`config`), and one module a kind of ERP."""
