"""The library in persisty: the schema made from the declaration."""

import sys

from persisty.api.graphql.hosted.document_plans import GraphqlRequest
from persisty.api.graphql.hosted.schema import GraphqlSchema

from ..answering import serve
from ..library import library

QUERY = """query Library($first: Int!, $books: Int!) {
    authorSearch(limit: $first) {
        items { id name born house { name } books(limit: $books, order: [year_asc]) { items { id title year } } } } }"""
VARIABLES = {"first": 50, "books": 10}

schema = GraphqlSchema(library(sys.argv[1]))


def answer() -> bytes:
    return schema.answer(GraphqlRequest(QUERY, VARIABLES)).body


if __name__ == "__main__":
    serve(answer)
