//! The seed: the customers of every new store. They are made up and equal on every machine.
//!
//! Six customers have fixed ids for docs and tests; the others are drawn from fixed numbers. E-mail addresses are under
//! `example.test`, phones are +1 202 555 01xx, SSNs begin with 9 (never issued), and device addresses are in
//! documentation ranges. Creation times are whole seconds from January to October 2026. A time copied from a GET
//! response, which has no fraction, is thus exact as a filter bound.

mod documented;
mod people;

use uuid::Uuid;

use super::store::CustomerStore;

pub(crate) use people::person;

/// Ada Example: an individual in review. Her screening has all eight modules, KYC, network alerts, reputation with all
/// 33 insights, two watch-list matches, and every reason code with its text. External id `ada-1`.
pub const ADA: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_0000_0000_0001);

/// Blue Kettle: a verified business with representatives, website, address and metadata. External id `blue-kettle-2`.
pub const BLUE_KETTLE: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_0000_0000_0002);

/// Rex Example: a rejected individual whose screening has the decision `accept` (seen). External id `rex-3`.
pub const REX: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_0000_0000_0003);

/// Penny Example: a pending individual without a screening, so the review has no `identity_details`; no other optional
/// member is present. External id `penny-4`.
pub const PENNY: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_0000_0000_0004);

/// Ivy Example: an inactive individual whose profile has `dob` and `ssn` set to `null`. External id `ivy-5`.
pub const IVY: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_0000_0000_0005);

/// Rhea Example: an individual in review because of her reputation alone; all modules accept. External id `rhea-6`.
pub const RHEA: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_0000_0000_0006);

/// The number of customers in a new store.
pub const COUNT: usize = 250;

/// A new store with the seed.
pub(crate) fn seeded_store() -> CustomerStore {
    let mut store = CustomerStore::default();
    for customer in documented::documented_customers() {
        store.upsert(customer);
    }
    let drawn = COUNT - store.len();
    store.add_seeded(u32::try_from(drawn).unwrap_or_default());
    store
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::enums::{CustomerStatus, CustomerType, SortBy, SortOrder};

    fn counted<T: Eq + std::hash::Hash>(of: fn(&crate::customer::Customer) -> T) -> usize {
        seeded_store()
            .in_order(SortBy::Name, SortOrder::Ascending)
            .map(|customer| of(customer))
            .collect::<HashSet<_>>()
            .len()
    }

    #[test]
    fn every_type_and_every_status_occurs() {
        assert_eq!(seeded_store().len(), COUNT);
        assert_eq!(counted(|customer| customer.kind), CustomerType::VALUES.len());
        assert_eq!(counted(|customer| customer.status), CustomerStatus::VALUES.len());
        assert_eq!(counted(|customer| customer.address.is_some()), 2);
        assert_eq!(counted(|customer| customer.profile.is_some()), 2);
        assert_eq!(counted(|customer| customer.metadata.is_some()), 2);
        assert_eq!(counted(|customer| customer.external_id.is_some()), 2);
        assert_eq!(counted(|customer| customer.screening.is_some()), 2);
    }

    #[test]
    fn seeded_customers_pass_validation() {
        use crate::{parse_body::Draft, validation};
        for customer in seeded_store().in_order(SortBy::CreatedAt, SortOrder::Ascending) {
            let customer = customer.as_ref().clone();
            let draft = Draft {
                name: customer.name,
                email: customer.email,
                phone: customer.phone,
                ip_address: customer.ip_address,
                address: customer.address,
                profile: customer.profile,
                external_id: customer.external_id,
                metadata: customer.metadata,
            };
            assert_eq!(validation::validate(&draft, customer.kind), [], "{}", customer.id);
            assert_eq!(customer.id.get_version_num(), 7);
        }
    }

    #[test]
    fn a_store_holds_the_customers_that_were_added() {
        let mut store = seeded_store();
        store.add_seeded(2500);
        assert_eq!(store.len(), COUNT + 2500);
    }
}
