"""Files that belong to a record or a consent: the scan of a signed form, the report of an image. Kept in the database.

Enters: whoever holds `record.edit` attaches to records, `consent.record` with `contact.view` to consents, whose scans
show who the participant is. Bytes are never served to be shown by a browser, only to be saved.
"""
