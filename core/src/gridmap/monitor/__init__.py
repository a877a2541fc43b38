"""The user's side: hands out jobs, takes in results, keeps the promises.

`ledger` and what it imports are the rules, pure; `service` is the shell round them.
"""
