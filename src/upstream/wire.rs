//! The wire format of the Customers API (`docs/upstream.md`), and its conversion to and from the model.

pub mod body;
pub mod customer;
pub mod envelope;
mod profile;
pub mod query;
pub mod record;
pub mod unknown_members;

use crate::privacy::Personal;

pub use customer::*;
pub use profile::NotUnmasked;

type PersonalText = Personal<String>;
