"""Items in DynamoDB tables, over a narrow transport of which there are two.

```
engine → backend ─┬─ reads ─┬─ planner ── access_paths, costs, statistics   which requests to send, and which filters to evaluate locally
                  │         ├─ result_streams, page_positions, parallel     pages of one Query or Scan, merged in order
                  │         └─ key_reads                                    GetItem, BatchGetItem
                  ├─ writes ┬─ batch_statements                             PartiQL statements
                  │         ├─ transactions ── guard_rows, system_table     atomic batches, unique values, sequences
                  │         └─ limits                                       before anything is sent
                  ├─ explain
                  └─ codec, expressions, requests                           items, filters and calls as wire JSON
transport ─┬─ direct_transport ── aws/: HTTP, SigV4, credentials
           └─ boto3_transport
```
"""
