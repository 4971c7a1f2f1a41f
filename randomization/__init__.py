"""Allocation: a sealed list that anyone can re-derive and nobody can read ahead, opened one entry at a time.

Nobody outside imports this room's models; nobody but `trialsite.enrollment` its services. Arms are read by `arms.py`.
"""
