"""Who works at a hospital: training, the delegation log, the periodic review of access.

Roles themselves are memberships of `trialsite.staff`; this room says who was trained, who authorised whom for which
task, and who looked through it all (ICH E6(R3) 2.3.3, 4.3.8).
"""
