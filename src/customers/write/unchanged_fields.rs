//! The fields that an update does not change. Before the gateway sends an update again, it reads the customer and compares
//! these fields, so that the update does not undo a change that another caller made meanwhile.
//!
//! The comparison uses a masked record, since nothing else needs an unmasked one. The device and the compliance profile
//! are masked in it, so the comparison does not find a change of these alone.

use crate::customers::write::merge::Sendable;
use crate::customers::write::updatable_fields::{UPDATABLE_FIELDS, UpdatableField};
use crate::model::input::UpdateCustomerInput;
use crate::model::{Customer, CustomerStatus};

/// The fields that an update does not change, with their values when it was built.
#[derive(Debug)]
pub struct UnchangedFields {
    fields: Vec<&'static UpdatableField>,
    known: Sendable,
    /// The status before the update, and the status that the update sets.
    status: [CustomerStatus; 2],
}

impl UnchangedFields {
    /// The fields of this customer that an update does not change.
    pub fn new(input: &UpdateCustomerInput, known: &Sendable) -> Self {
        Self {
            fields: UPDATABLE_FIELDS.iter().filter(|field| !(field.is_given)(input)).collect(),
            // No comparison needs the unmasked device and profile.
            known: Sendable { device: None, profile: None, ..known.clone() },
            status: [known.status, input.status.value().copied().unwrap_or(known.status)],
        }
    }

    /// Whether the fields still have their values. The update itself does not change them, so this also holds after it took
    /// effect. A field that cannot be read does not count as unchanged.
    pub fn still_hold(&self, now: &Customer) -> bool {
        now.summary.status.is_ok_and(|status| self.status.contains(&status))
            && self.fields.iter().all(|field| (field.is_unchanged)(&self.known, now))
    }
}
