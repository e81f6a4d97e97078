//! Customers as they were received: the one that was asked for, with what cannot be read in the log.

use tracing::warn;

use super::error::{Error, Kind};
use super::wire::{NotClear, WireCustomer};
use crate::model::lenient::UnreadableField;
use crate::model::{Customer, CustomerId, UnmaskedCustomer};

/// The customer that was asked for.
///
/// # Errors
/// Where it is another one.
pub fn read(route: &'static str, id: CustomerId, wire: WireCustomer) -> Result<Customer, Error> {
    let customer = Customer::from(wire);
    if customer.summary.id == Ok(id) { Ok(logged(route, customer)) } else { Err(another_customer()) }
}

/// Says in the log which fields of a customer cannot be read.
pub fn logged(route: &'static str, customer: Customer) -> Customer {
    let fields = [customer.summary.unreadable(), customer.detail.unreadable()].concat();
    if !fields.is_empty() {
        warn!(route, ?fields, "the upstream sent fields that cannot be read");
    }
    customer
}

/// A clear record as one.
///
/// # Errors
/// `Forbidden` where it is masked; where a field cannot be read, and where it is of another customer.
pub fn in_clear(route: &'static str, record: WireCustomer, id: CustomerId) -> Result<UnmaskedCustomer, Error> {
    let clear = UnmaskedCustomer::try_from(record).map_err(|problem| match problem {
        NotClear::Masked => Kind::Forbidden,
        NotClear::NotADate => Kind::Invalid("a date of birth that is no date"),
        NotClear::Unreadable(UnreadableField(field)) => {
            warn!(route, fields = ?[field], "the upstream sent fields that cannot be read");
            Kind::NoAnswer("a customer with a field that cannot be read")
        }
    })?;
    if clear.customer_id.as_str() == id.to_string() { Ok(clear) } else { Err(another_customer()) }
}

fn another_customer() -> Error {
    Kind::Invalid("another customer than was asked for").into()
}
