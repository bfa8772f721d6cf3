"""How large a table and its indexes are, as DescribeTable tells, remembered for minutes."""
