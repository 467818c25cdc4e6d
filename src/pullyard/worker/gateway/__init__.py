"""The model gateway: one per execution, outside the sandbox, on a socket inside its network.

It adds the key that the agent never sees, counts tokens and money, and stops at the budget.
"""
