"""What schemathesis holds against each answer to an operation that it made up from the schema.

Its own check takes every error for a failure. Many of its operations are fit to the schema and still to be refused (a
cursor that is none, `first` with `last`, a word that is for output only): what counts here is that each is refused in
order, that nothing fails, and that no answer is neither.
"""

import json

import schemathesis

# Of docs/errors.md: what a caller can be told of an operation that fits the schema before a sandbox that is up.
# Validation, since the schema says of no input that exactly one of its fields is to be given in a way that is read there.
IN_ORDER = {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "OPERATION_TOO_LARGE", "RATE_LIMITED"}


@schemathesis.check
def answered_in_order(ctx, response, case):
    del ctx, case
    assert response.status_code in (200, 429), f"status {response.status_code}"
    answer = json.loads(response.content)
    errors = answer.get("errors", [])
    assert "data" in answer or errors, "neither data nor errors"
    assert "data" not in answer or answer["data"] is not None or errors, "null without an error"
    for error in errors:
        extensions = error["extensions"]
        assert extensions["code"] in IN_ORDER, f"{extensions['code']}: {error['message']}"
        assert extensions["requestId"] == response.headers["request-id"][0], "the id of another request"
