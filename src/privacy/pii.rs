//! `@pii`: the mark in the schema of a field, argument or input field that holds personal data, and of which class.
//!
//! It stands where the field is written, so it is in the exported SDL and in introspection, where a frontend or a log
//! pipeline can read it. Everything else is held to it by tests: each leaf is marked or named as harmless with a reason,
//! each marked field of the model is a [`Personal`](super::Personal), and what is not cut from an upstream's sentence is
//! exactly what is not marked.

use async_graphql::{Enum, TypeDirective};

/// What a field marked with `@pii` tells of a person.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(name = "PersonalDataClass")]
pub enum PersonalDataClass {
    /// Who somebody is to talk to: name, e-mail, phone, postal address, web site, ids and notes in other systems, and
    /// free text that can name somebody.
    Contact,
    /// What tells somebody from everybody else: date of birth, tax numbers, the registered name of a company, entries of
    /// alerts and watch lists.
    Identity,
    /// Where somebody was on the network: IP address.
    Network,
}

/// Holds personal data: show it to whom it is meant for, and keep it out of logs, analytics and stores.
#[TypeDirective(
    location = "FieldDefinition",
    location = "ArgumentDefinition",
    location = "InputFieldDefinition",
    // The name under which composing a supergraph keeps the mark; nothing is fetched from it.
    composable = "https://customers-gateway.example/pii/v1.0"
)]
pub fn pii(class: PersonalDataClass) {}
