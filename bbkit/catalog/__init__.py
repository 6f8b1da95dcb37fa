"""What is known of models, with its date and source: which batch inference lists, its quotas, token prices.

The dated files of ``data`` come first; the account's own values (Service Quotas, the AWS Price List, a price
file of one's own) go before them where there are any. A model id goes in; a `Model`, `Quotas`, a `Price` or
findings about the id come out. What is not known says so and is never a number.
"""
