//! What an update leaves as it is, so that a repetition of it does not undo what somebody else has done meanwhile.
//!
//! A masked record is compared, since one in clear would be read for nothing else. The device and the compliance profile
//! are masked in it, so a change of these alone is not seen.

use crate::customers::write::merge::Sendable;
use crate::model::input::{AddressInput, UpdateCustomerInput};
use crate::model::lenient::Readable;
use crate::model::{Customer, CustomerStatus, MetadataEntry};
use crate::privacy::Personal;
use crate::upstream::wire::body::Metadata;

type Text = Personal<String>;

/// The fields that an update does not change, with what they were when it was built; `None` for those that it changes.
#[derive(Debug)]
pub struct UnchangedFields {
    name: Option<Text>,
    email: Option<Text>,
    phone: Option<Text>,
    external_id: Option<Option<Text>>,
    address: Option<Option<AddressInput>>,
    metadata: Option<Metadata>,
    /// The status before, and the one that is set.
    status: [CustomerStatus; 2],
}

impl UnchangedFields {
    /// What an update leaves of this customer.
    pub fn new(input: &UpdateCustomerInput, known: &Sendable) -> Self {
        Self {
            name: input.name.is_undefined().then(|| known.name.clone()),
            email: input.email.is_undefined().then(|| known.email.clone()),
            phone: input.phone.is_undefined().then(|| known.phone.clone()),
            external_id: input.external_id.is_undefined().then(|| known.external_id.clone()),
            address: input.address.is_undefined().then(|| known.address.clone()),
            metadata: input.metadata.is_undefined().then(|| known.metadata.clone().unwrap_or_default()),
            status: [known.status, input.status.value().copied().unwrap_or(known.status)],
        }
    }

    /// Whether it is still so. Where the update itself was carried out, it is. A field that cannot be read is not known to
    /// be what it was.
    pub fn still_hold(&self, now: &Customer) -> bool {
        let (summary, detail) = (&now.summary, &now.detail);
        let is_text = |was: &Option<Text>, now: &Readable<Text>| {
            was.as_ref().is_none_or(|was| now.as_ref().is_ok_and(|now| is_same_or_masked(was, now)))
        };
        summary.status.is_ok_and(|status| self.status.contains(&status))
            && is_text(&self.name, &summary.name)
            && is_text(&self.email, &summary.email)
            && is_text(&self.phone, &summary.phone)
            && self.external_id.as_ref().is_none_or(|was| match (was, &summary.external_id) {
                (Some(was), Ok(Some(now))) => is_same_or_masked(was, now),
                (was, now) => was.is_none() && matches!(now, Ok(None)),
            })
            && self.address.as_ref().is_none_or(|was| match (was, &detail.address) {
                (Some(was), Ok(Some(now))) => {
                    let lines = [&was.address1, &was.city, &was.state, &was.zip];
                    let lines_now = [&now.address1, &now.city, &now.state, &now.zip];
                    lines.into_iter().zip(lines_now).all(|(was, now)| is_same_or_masked(was, now))
                        && was
                            .address2
                            .as_ref()
                            .zip(now.address2.as_ref())
                            .is_none_or(|(was, now)| is_same_or_masked(was, now))
                        && was.address2.is_some() == now.address2.is_some()
                }
                (was, now) => was.is_none() && matches!(now, Ok(None)),
            })
            && self.metadata.as_ref().is_none_or(|was| {
                let Ok(now) = &detail.metadata else { return false };
                let now = now.as_deref().unwrap_or_default();
                was.len() == now.len() && now.iter().all(|entry| is_same_entry(was, entry))
            })
    }
}

/// Whether a value is what it was. One that wears a mask tells nothing.
fn is_same_or_masked(was: &Text, now: &Text) -> bool {
    was == now || now.reveal().contains('*')
}

fn is_same_entry(was: &Metadata, now: &MetadataEntry) -> bool {
    was.get(now.key.reveal()).is_some_and(|value| is_same_or_masked(value, &now.value))
}
