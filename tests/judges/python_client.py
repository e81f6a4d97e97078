"""Runs the Python client `gql` against the gateway with schema.graphql: sequential and concurrent operations.

The client validates each document against schema.graphql before it sends it, and parses scalars and enums with it. Runs
from the project's root. On the first failed check it prints one line and exits with code 1.
"""

import asyncio
import os
import sys
import uuid
from pathlib import Path

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport
from graphql import GraphQLError
import httpx

ADA = "0190b2de-7c11-7c3a-8f10-000000000001"

READ = """
query Read($id: ID!) {
  customer(id: $id) { name status createdAt review { identity { decision reasons { check } } } }
}
"""
CREATE = """
mutation Create($input: CreateCustomerInput!) {
  createCustomer(input: $input) { customer { id name status } userErrors { code message path } }
}
"""
LIST = "query List($page: Int!) { customerPage(number: 1, size: $page) { nodes { id } meta { totalItems } } }"

REVIEWS = "{ customers(first: 3, filter: {statuses: [REVIEW]}) { nodes { id name review { identity { decision } } } } }"
FAULT = {"route": "GET /v1/customers/{id}/review", "fault": {"status": 500}}

held = 0


def expect(what, got, wanted):
    global held
    if got != wanted:
        sys.exit(f"FAILED python-client: {what}: got {got!r}, wanted {wanted!r}")
    held += 1


def ask(client, document, **variables):
    request = gql(document)
    request.variable_values = variables
    return client.execute(request)


def refused(what, error, call):
    try:
        call()
    except error as refusal:
        return refusal
    return sys.exit(f"FAILED python-client: {what}: was not rejected")


def control(method, path, body=None):
    """Calls the sandbox's control API."""
    httpx.request(method, f"{os.environ['SANDBOX_URL']}/_sandbox/{path}", json=body).raise_for_status()


async def concurrently(schema):
    """Runs three concurrent operations over one client, then one in which the review of one row fails."""
    url, fresh = os.environ["GATEWAY_URL"], {"cache-control": "no-cache"}
    async with Client(transport=HTTPXAsyncTransport(url=url, headers=fresh), schema=schema, parse_results=True) as session:

        def execute(document, **variables):
            request = gql(document)
            request.variable_values = variables
            return session.execute(request)

        ada, page, queue = await asyncio.gather(execute(READ, id=ADA), execute(LIST, page=2), execute(REVIEWS))
        expect("the name, read concurrently", ada["customer"]["name"], "Ada Example")
        expect("two rows", len(page["customerPage"]["nodes"]), 2)
        rows = queue["customers"]["nodes"]

        control("POST", "faults", FAULT | {"customer_id": rows[1]["id"]})
        try:
            await execute(REVIEWS)
            sys.exit("FAILED python-client: a failed review caused no error")
        except TransportQueryError as failure:
            got = failure.data["customers"]["nodes"]
            expect("every row is returned", [row["name"] for row in got], [row["name"] for row in rows])
            expect("one review is null", [row["review"] is None for row in got], [False, True, False])
            expect("the path of the error", failure.errors[0]["path"], ["customers", "nodes", 1, "review"])
            expect("the code of the error", failure.errors[0]["extensions"]["code"], "UPSTREAM_ERROR")
        finally:
            control("DELETE", "faults")


def main():
    schema = Path("schema.graphql").read_text(encoding="utf-8")
    client = Client(transport=HTTPXTransport(url=os.environ["GATEWAY_URL"]), schema=schema, parse_results=True)

    ada = ask(client, READ, id=ADA)["customer"]
    expect("the name", ada["name"], "Ada Example")
    expect("the status", ada["status"], "REVIEW")
    expect("the review has reasons", len(ada["review"]["identity"]["reasons"]) > 0, True)

    person = {
        "name": "Judge Python",
        "type": "INDIVIDUAL",
        "email": f"judge.python.{uuid.uuid4().hex[:8]}@example.test",
        "phone": "+12025550182",
        "device": {"ipAddress": "203.0.113.81"},
        "complianceProfile": {"individual": {"dob": "1980-02-03", "ssn": "900-12-3456"}},
        "config": {"processingMethod": "INLINE", "sandboxOutcome": "VERIFIED"},
    }
    before = ask(client, LIST, page=5)["customerPage"]["meta"]["totalItems"]
    created = ask(client, CREATE, input=person)["createCustomer"]
    expect("no user errors", created["userErrors"], [])
    expect("the status of the new customer", created["customer"]["status"], "VERIFIED")
    read = ask(client, READ, id=created["customer"]["id"])["customer"]
    expect("the name of the new customer", read["name"], "Judge Python")
    expect("the total after the creation", ask(client, LIST, page=5)["customerPage"]["meta"]["totalItems"], before + 1)
    taken = ask(client, CREATE, input=person)["createCustomer"]
    expect("the same e-mail a second time", [error["code"] for error in taken["userErrors"]], ["TAKEN"])

    refused("an unknown field in the client", GraphQLError, lambda: ask(client, "{ customer(id: 1) { shoeSize } }"))
    failed = refused("a page size above the limit", TransportQueryError, lambda: ask(client, LIST, page=1000))
    expect("the code", failed.errors[0]["extensions"]["code"], "BAD_USER_INPUT")
    both = person | {"complianceProfile": {"individual": {}, "business": {}}}
    wrong = refused("both fields of a `@oneOf` input", TransportQueryError, lambda: ask(client, CREATE, input=both))
    expect("the code", wrong.errors[0]["extensions"]["code"], "BAD_USER_INPUT")

    asyncio.run(concurrently(schema))
    print(f"python-client: {held} passed, 0 failed")


main()
