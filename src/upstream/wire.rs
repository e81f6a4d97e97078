//! What the Customers API sends and accepts (`docs/upstream.md`), and how that becomes the model.

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
