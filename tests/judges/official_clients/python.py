"""Straddle's own Python client against the sandbox: every customer operation, once.

Runs with both generations of the package (0.4 and 1.0); where they name a thing differently, `names` says how.
Each run takes a key, and so a world, of its own. Exit code 1 and one line that says what was not as expected.
"""

import os
import sys
import uuid

import straddle

BASE_URL = os.environ["SANDBOX_URL"]
KEY = f"official-python-{uuid.uuid4()}"
NEW_GENERATION = straddle.__version__.startswith("1.")
ADA = "0190b2de-7c11-7c3a-8f10-000000000001"
SEEDED = 250

EMAIL = "official.python@example.test"
DOB = "1980-02-03"
SSN = "900-12-3456"
IP = "203.0.113.77"


def client():
    if NEW_GENERATION:
        return straddle.StraddleAPI(bearer=KEY, base_url=BASE_URL)
    return straddle.Straddle(api_key=KEY, base_url=BASE_URL)


def names(customers):
    """The operations that changed their names between the generations: get, unmasked, review, decide, refresh."""
    if NEW_GENERATION:
        return (
            customers.retrieve,
            customers.list_unmasked,
            customers.review.list,
            customers.review.set_verification_decision,
            customers.refresh_review,
        )
    return (
        customers.get,
        customers.unmasked,
        customers.review.get,
        customers.review.decision,
        customers.review.refresh_review,
    )


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"FAILED python {straddle.__version__}: {what}: got {got!r}, wanted {wanted!r}")


def refused(what, error, call):
    try:
        call()
    except error:
        return
    except straddle.APIError as other:
        sys.exit(f"FAILED python {straddle.__version__}: {what}: {type(other).__name__}, wanted {error.__name__}")
    sys.exit(f"FAILED python {straddle.__version__}: {what}: was not refused")


def profile_of(customer):
    """The profile by its keys.

    Observed: 0.4.0 types the masked `dob` as a date, which the mask is not, so it makes the *business* class of a
    masked individual profile. The values survive as extra fields, so they are compared by key, not by class.
    """
    return customer.compliance_profile.to_dict() if customer.compliance_profile else None


def walk(customers):
    """All customers in pages of 100.

    Observed: 0.4.0 pages by itself, and asks for one page more, until one is empty; 1.0.5 has lost its
    pagination, its `list` gives one page, and `iter()` over that gives fields, not customers. So there it is
    walked by hand, by `total_pages`.
    """
    if not NEW_GENERATION:
        return [customer.id for customer in customers.list(page_size=100)]
    ids, number = [], 1
    while True:
        page = customers.list(page_size=100, page_number=number)
        ids += [customer.id for customer in page.data]
        if number >= page.meta.total_pages:
            return ids
        number += 1


def main():
    with client() as straddle_client:
        customers = straddle_client.customers
        get, unmasked, review, decide, refresh = names(customers)

        body = dict(
            name="Official Client",
            type="individual",
            email=EMAIL,
            phone="+12025550177",
            device={"ip_address": IP},
            address={"address1": "1 Client Way", "city": "Reno", "state": "NV", "zip": "89501"},
            compliance_profile={"dob": DOB, "ssn": SSN},
            external_id="official-python",
            metadata={"by": "python"},
            config={"processing_method": "inline", "sandbox_outcome": "review"},
        )
        key = f"create-{uuid.uuid4().hex[:20]}"
        created = customers.create(**body, idempotency_key=key).data
        expect("status after create", created.status, "review")
        expect("masked device", created.device.ip_address, "**.**.**.**")
        expect("masked profile", profile_of(created), {"dob": "****-**-**", "ssn": "***-**-****"})
        expect("replayed create", customers.create(**body, idempotency_key=key).data.id, created.id)
        refused("second e-mail", straddle.UnprocessableEntityError, lambda: customers.create(**body))

        ids = walk(customers)
        expect("customers in all pages", (len(ids), len(set(ids))), (SEEDED + 1, SEEDED + 1))
        page = customers.list(status=["pending", "review"], types=["individual"], sort_by="created_at", page_size=5)
        expect("filtered statuses", {row.status for row in page.data} <= {"pending", "review"}, True)
        found = customers.list(external_id="official-python")
        expect("by external id", [row.id for row in found.data], [created.id])

        read = get(created.id).data
        expect("name", read.name, "Official Client")
        expect("address", read.address.city, "Reno")
        expect("config", (read.config.processing_method, read.config.sandbox_outcome), ("inline", "review"))

        clear = unmasked(created.id).data
        expect("clear device", clear.device.ip_address, IP)
        expect("clear ssn", clear.compliance_profile.ssn, SSN)
        expect("clear dob", str(clear.compliance_profile.dob), DOB)

        seen = review(created.id).data
        expect("review's customer", seen.customer_details.id, created.id)
        expect("review's decision", seen.identity_details.decision, "review")
        ada = review(ADA).data.identity_details
        expect("Ada's modules", all(getattr(ada.breakdown, name) for name in ada.breakdown.to_dict()), True)
        expect("Ada's insights", len(ada.reputation.insights.to_dict()), 33)
        expect("Ada's matches", len(ada.watch_list.matches), 2)

        expect("status after decision", decide(created.id, status="verified").data.status, "verified")
        refused("second decision", straddle.UnprocessableEntityError, lambda: decide(created.id, status="rejected"))

        expect("refreshed", refresh(created.id).data.id, created.id)
        renewed = review(created.id).data.identity_details
        expect("new review id", renewed.review_id != seen.identity_details.review_id, True)

        updated = customers.update(
            created.id,
            name="Official B. Client",
            email=EMAIL,
            phone="+12025550178",
            device={"ip_address": IP},
            status="inactive",
        ).data
        expect("updated", (updated.name, updated.status, updated.address), ("Official B. Client", "inactive", None))

        expect("deleted", customers.delete(created.id).data.id, created.id)
        refused("read after delete", straddle.NotFoundError, lambda: get(created.id))

        # The 401 has neither body nor content type; it has to come through as what it is.
        no_key = {"Authorization": "Basic none"}
        refused("no key", straddle.AuthenticationError, lambda: customers.list(extra_headers=no_key))

    print(f"ok python {straddle.__version__}")


try:
    main()
except straddle.APIError as error:
    sys.exit(f"FAILED python {straddle.__version__}: {type(error).__name__}: {error}")
