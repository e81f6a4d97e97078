"""Runs every customer operation of Straddle's Python client once against the sandbox.

Supports both generations of the package (0.4 and 1.0). `names` maps the operations that have different names.
Each run uses a new key, and so a new data set of the sandbox. On the first failed check it prints one line and exits
with code 1.
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
    """The operations whose names differ between the generations: get, unmasked, review, decide, refresh."""
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
    sys.exit(f"FAILED python {straddle.__version__}: {what}: was not rejected")


def profile_of(customer):
    """The profile as a dictionary.

    Observed: 0.4.0 declares `dob` as a date, and a masked value is not a date. So 0.4.0 parses a masked individual
    profile as the class of a *business* profile. The values remain as extra fields, so this test compares the keys and
    values and not the class.
    """
    return customer.compliance_profile.to_dict() if customer.compliance_profile else None


def walk(customers):
    """The ids of all customers, read in pages of 100.

    Observed: 0.4.0 paginates by itself and requests pages until one is empty. 1.0.5 has no pagination: `list` returns
    one page, and `iter()` over it yields fields, not customers. So with 1.0.5 this function reads the pages up to
    `total_pages`.
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
        expect("unmasked device", clear.device.ip_address, IP)
        expect("unmasked SSN", clear.compliance_profile.ssn, SSN)
        expect("unmasked date of birth", str(clear.compliance_profile.dob), DOB)

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

        # The 401 response has neither a body nor a content type. The client still has to raise AuthenticationError.
        no_key = {"Authorization": "Basic none"}
        refused("no key", straddle.AuthenticationError, lambda: customers.list(extra_headers=no_key))

    print(f"ok python {straddle.__version__}")


try:
    main()
except straddle.APIError as error:
    sys.exit(f"FAILED python {straddle.__version__}: {type(error).__name__}: {error}")
