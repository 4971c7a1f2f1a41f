"""The path of a participant. One service for each step; all of them refuse out of order with a named error.

Order inside each: bind the actor, ask for the capability, lock the participant, re-read, decide, write, enqueue.
A repeated request gives the same answer and writes no second row.
"""

from trialsite.enrollment.services.allocating import enter_envelope, randomize
from trialsite.enrollment.services.ending import complete, record_death, withdraw
from trialsite.enrollment.services.registering import consent, reconsent, register
from trialsite.enrollment.services.screening import fail_screening, rescreen, sign_eligibility, verdict
from trialsite.enrollment.services.treating import operate
from trialsite.enrollment.treatment import start as start_treatment

__all__ = [
    "complete",
    "consent",
    "enter_envelope",
    "fail_screening",
    "operate",
    "randomize",
    "reconsent",
    "record_death",
    "register",
    "rescreen",
    "sign_eligibility",
    "start_treatment",
    "verdict",
    "withdraw",
]
