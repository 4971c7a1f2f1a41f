"""What leaves the building: typed tables of each form, a long table, the code book, and snapshots kept for good.

Enters: whoever holds `data.export`. Everything is read through `visible_to(actor)` and the row policies behind it, so a
table holds what its reader may see and no more: an export is blind for whoever is.
"""
