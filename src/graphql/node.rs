//! Relay's `Node`: whatever has an id of its own.

use async_graphql::{ID, Interface};

use super::customer::CustomerObject;
use super::nullability::Fallible;

/// Something with an id that is its own in the whole schema; look it up again with `node(id:)`.
#[derive(Interface, Clone, Debug)]
#[graphql(field(name = "id", ty = "Fallible<ID>", desc = "The id."))]
pub enum Node {
    Customer(CustomerObject),
}
