"""How a run comes in: examined without the store, then recorded and folded in one transaction.

The order is fixed: size, bounded decompression, hash, signature, decoding, receipt, fold. What was
acknowledged is durable; what was not is sent again, and a run id is never counted twice.
"""
