//! One world: the customers that one key and account see, with their indexes and idempotency keys.
//!
//! Pure state: no clock beyond `updated_at`, no tasks, no HTTP. E-mails are unique without regard to case.
//! Customers are shared and replaced whole, so that an answer under way keeps the state that it read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::customer::Customer;
use super::enums::{SortBy, SortOrder};
use super::idempotency::IdempotencyKeys;
use super::seed;
use super::timestamp::{self, Timestamp};

/// The most customers that a world holds.
pub(crate) const MAX_CUSTOMERS: usize = 20_000;

/// The customers of one scope.
#[derive(Clone, Default)]
pub(crate) struct CustomerStore {
    customers: HashMap<Uuid, Arc<Customer>>,
    emails: HashMap<String, Uuid>,
    by_name: BTreeSet<(String, Uuid)>,
    by_creation: BTreeSet<(Timestamp, Uuid)>,
    /// How many made-up people there have been, so that more of them differ from those.
    seeded_count: u32,
    /// The idempotency keys.
    pub(crate) keys: IdempotencyKeys,
}

impl CustomerStore {
    /// The customer of this id.
    pub(crate) fn get(&self, id: Uuid) -> Option<&Arc<Customer>> {
        self.customers.get(&id)
    }

    /// How many customers there are.
    pub(crate) fn len(&self) -> usize {
        self.customers.len()
    }

    /// Who has this e-mail address, without regard to case.
    pub(crate) fn id_by_email(&self, email: &str) -> Option<Uuid> {
        self.emails.get(&email.to_lowercase()).copied()
    }

    /// Adds a customer, or puts it in the place of the one with its id.
    pub(crate) fn upsert(&mut self, customer: Customer) -> Arc<Customer> {
        self.remove(customer.id);
        let customer = Arc::new(customer);
        self.emails.insert(customer.email_key(), customer.id);
        self.by_name.insert((customer.name_key(), customer.id));
        self.by_creation.insert((customer.created_at, customer.id));
        self.customers.insert(customer.id, Arc::clone(&customer));
        customer
    }

    /// Changes a customer, which is later for it; `None` where there is no such one.
    pub(crate) fn update(&mut self, id: Uuid, change: impl FnOnce(&mut Customer)) -> Option<Arc<Customer>> {
        let mut customer = self.get(id)?.as_ref().clone();
        customer.updated_at = timestamp::after(customer.updated_at);
        change(&mut customer);
        Some(self.upsert(customer))
    }

    /// Takes a customer out; its e-mail address is free again.
    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<Customer>> {
        let customer = self.customers.remove(&id)?;
        self.emails.remove(&customer.email_key());
        self.by_name.remove(&(customer.name_key(), id));
        self.by_creation.remove(&(customer.created_at, id));
        Some(customer)
    }

    /// All customers; equal ones by ascending id, whichever way they are sorted.
    pub(crate) fn in_order(&self, by: SortBy, order: SortOrder) -> impl Iterator<Item = &Arc<Customer>> {
        let ids = match by {
            SortBy::Name => ids(&self.by_name, order),
            SortBy::CreatedAt => ids(&self.by_creation, order),
        };
        ids.into_iter().filter_map(|id| self.customers.get(&id))
    }

    /// Adds `count` made-up customers; the same every time for the same number of them before.
    pub(crate) fn add_seeded(&mut self, count: u32) {
        for _ in 0..count {
            let customer = seed::person(self.seeded_count);
            self.seeded_count += 1;
            // Somebody may have taken the made-up address by hand; then that person is left out.
            if self.id_by_email(&customer.email).is_none() {
                self.upsert(customer);
            }
        }
    }
}

/// The ids of an index in an order; those of equal keys ascending.
fn ids<K: PartialEq>(index: &BTreeSet<(K, Uuid)>, order: SortOrder) -> Vec<Uuid> {
    let mut entries: Vec<&(K, Uuid)> = index.iter().collect();
    if matches!(order, SortOrder::Descending) {
        entries.reverse();
        entries.chunk_by_mut(|(one, _), (next, _)| one == next).for_each(<[_]>::reverse);
    }
    entries.into_iter().map(|(_, id)| *id).collect()
}
