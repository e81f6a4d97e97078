//! Checks of received customers: is it the requested one, and which fields cannot be read.

use tracing::warn;

use crate::model::lenient::UnreadableField;
use crate::model::{Customer, CustomerId, UnmaskedCustomer};
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::wire::{NotUnmasked, WireCustomer};

/// Converts the requested customer, and logs its unreadable fields.
///
/// # Errors
/// If it is another customer.
pub fn requested_customer(route: &'static str, id: CustomerId, wire: WireCustomer) -> Result<Customer, Error> {
    let customer = Customer::from(wire);
    if customer.summary.id == Ok(id) { Ok(log_unreadable_fields(route, customer)) } else { Err(wrong_customer()) }
}

/// Logs which fields of a customer cannot be read.
pub fn log_unreadable_fields(route: &'static str, customer: Customer) -> Customer {
    let fields = [customer.summary.unreadable(), customer.detail.unreadable()].concat();
    if !fields.is_empty() {
        warn!(route, ?fields, "the upstream sent fields that cannot be read");
    }
    customer
}

/// Converts the requested unmasked customer.
///
/// # Errors
/// [`ErrorKind::Forbidden`] if it is masked; if a field cannot be read; if it is another customer.
pub fn unmasked_customer(route: &'static str, record: WireCustomer, id: CustomerId) -> Result<UnmaskedCustomer, Error> {
    let unmasked = UnmaskedCustomer::try_from(record).map_err(|problem| match problem {
        NotUnmasked::Masked => ErrorKind::Forbidden,
        NotUnmasked::NotADate => ErrorKind::Invalid("a date of birth that is no date"),
        NotUnmasked::Unreadable(UnreadableField(field)) => {
            warn!(route, fields = ?[field], "the upstream sent fields that cannot be read");
            ErrorKind::MalformedSuccess("a customer with a field that cannot be read")
        }
    })?;
    if unmasked.customer_id.as_str() == id.to_string() { Ok(unmasked) } else { Err(wrong_customer()) }
}

fn wrong_customer() -> Error {
    ErrorKind::Invalid("another customer than the requested one").into()
}
