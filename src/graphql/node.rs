//! Relay's interface `Node`: an object with a global id.

use async_graphql::{ID, Interface};

use super::customer::CustomerObject;
use super::nullability::Fallible;

/// An object with an id that is unique in the whole schema. `node(id:)` returns it again.
#[derive(Interface, Clone, Debug)]
#[graphql(field(name = "id", ty = "Fallible<ID>", desc = "The id."))]
pub enum Node {
    Customer(CustomerObject),
}
