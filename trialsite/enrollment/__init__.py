"""The conductor: register, consent, screen, operate, randomize, end. Each step is one service.

It passes values between eligibility, randomization and visits, which do not know each other.
"""
