"""Items in DynamoDB tables, over a narrow transport of which there are two.

```
engine → backend ─┬─ reads ─┬─ planner ── access, costs, statistics     which requests to send, and which filters to evaluate here
                  │         ├─ lanes, positions, parallel               pages of one Query or Scan, merged in order
                  │         └─ keyed                                    GetItem, BatchGetItem
                  ├─ writes ┬─ batch                                    PartiQL statements
                  │         ├─ transactions ── unique, system           atomic batches, guard rows, sequences
                  │         └─ limits                                   before anything is sent
                  ├─ explain
                  └─ codec, expressions, requests                       items, filters and calls as wire JSON
transport ─┬─ direct ── http, sigv4, credentials
           └─ boto3_client
```
"""
