//! The data of one tenant: its customers, their indexes, and its idempotency keys.
//!
//! It has no tasks and no HTTP, and uses the clock only for `updated_at`. E-mail addresses are unique, ignoring case. A
//! customer is shared and replaced as a whole, so a response that is being made keeps the state that it read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::customer::Customer;
use super::enums::{SortBy, SortOrder};
use super::idempotency::IdempotencyKeys;
use super::seed;
use super::timestamp::{self, Timestamp};

/// The maximum number of customers of a tenant.
pub(crate) const MAX_CUSTOMERS: usize = 20_000;

/// The customers of one tenant.
#[derive(Clone, Default)]
pub(crate) struct CustomerStore {
    customers: HashMap<Uuid, Arc<Customer>>,
    emails: HashMap<String, Uuid>,
    by_name: BTreeSet<(String, Uuid)>,
    by_creation: BTreeSet<(Timestamp, Uuid)>,
    /// How many seeded customers were added; the next one gets this number.
    seeded_count: u32,
    /// The idempotency keys.
    pub(crate) keys: IdempotencyKeys,
}

impl CustomerStore {
    /// The customer with this id.
    pub(crate) fn get(&self, id: Uuid) -> Option<&Arc<Customer>> {
        self.customers.get(&id)
    }

    /// The number of customers.
    pub(crate) fn len(&self) -> usize {
        self.customers.len()
    }

    /// The id of the customer with this e-mail address, ignoring case.
    pub(crate) fn id_by_email(&self, email: &str) -> Option<Uuid> {
        self.emails.get(&email.to_lowercase()).copied()
    }

    /// Adds a customer, or replaces the one with the same id.
    pub(crate) fn upsert(&mut self, customer: Customer) -> Arc<Customer> {
        self.remove(customer.id);
        let customer = Arc::new(customer);
        self.emails.insert(customer.email_key(), customer.id);
        self.by_name.insert((customer.name_key(), customer.id));
        self.by_creation.insert((customer.created_at, customer.id));
        self.customers.insert(customer.id, Arc::clone(&customer));
        customer
    }

    /// Changes a customer and advances its `updated_at`; `None` if it does not exist.
    pub(crate) fn update(&mut self, id: Uuid, change: impl FnOnce(&mut Customer)) -> Option<Arc<Customer>> {
        let mut customer = self.get(id)?.as_ref().clone();
        customer.updated_at = timestamp::after(customer.updated_at);
        change(&mut customer);
        Some(self.upsert(customer))
    }

    /// Removes a customer. Its e-mail address can be used again.
    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<Customer>> {
        let customer = self.customers.remove(&id)?;
        self.emails.remove(&customer.email_key());
        self.by_name.remove(&(customer.name_key(), id));
        self.by_creation.remove(&(customer.created_at, id));
        Some(customer)
    }

    /// All customers in this order. Ties have ascending ids in both orders.
    pub(crate) fn in_order(&self, by: SortBy, order: SortOrder) -> impl Iterator<Item = &Arc<Customer>> {
        let ids = match by {
            SortBy::Name => ids(&self.by_name, order),
            SortBy::CreatedAt => ids(&self.by_creation, order),
        };
        ids.into_iter().filter_map(|id| self.customers.get(&id))
    }

    /// Adds `count` made-up customers. They depend only on how many were added before.
    pub(crate) fn add_seeded(&mut self, count: u32) {
        for _ in 0..count {
            let customer = seed::person(self.seeded_count);
            self.seeded_count += 1;
            // A caller may have used the generated address already; then this customer is skipped.
            if self.id_by_email(&customer.email).is_none() {
                self.upsert(customer);
            }
        }
    }
}

/// The ids of an index in this order. Ties have ascending ids.
fn ids<K: PartialEq>(index: &BTreeSet<(K, Uuid)>, order: SortOrder) -> Vec<Uuid> {
    let mut entries: Vec<&(K, Uuid)> = index.iter().collect();
    if matches!(order, SortOrder::Descending) {
        entries.reverse();
        entries.chunk_by_mut(|(one, _), (next, _)| one == next).for_each(<[_]>::reverse);
    }
    entries.into_iter().map(|(_, id)| *id).collect()
}
