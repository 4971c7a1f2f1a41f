"""What comes in by the file: rows of a form's table, each saved through `casebook.services.save_record`.

Enters: whoever holds `record.edit`. The file has the shape of the exported table (CSV), or is a list of rows (JSON). It
is stored with its SHA-256 and worked off by the worker in batches that each commit.
"""
