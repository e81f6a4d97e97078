//! The gateway as a subgraph of Apollo Federation: the fields that the router of a supergraph needs.
//!
//! The gateway has its own fields instead of the engine's. In the engine's fields, one customer that does not exist or
//! one unknown type fails the whole look-up, an error does not name its representation, and the schema is published
//! even if introspection is disabled. The schema contains the fields only if `graphql.federation` is set.

use std::sync::Arc;

use async_graphql::{Any, Context, Object, SimpleObject, Union, Value};

use super::customer::CustomerObject;
use super::error::ResolverResult;
use super::permissions::require;
use super::root_field::RootField;
use crate::auth::Principal;
use crate::error::{ErrorCode, PublicError};

/// The fields that the router of a supergraph needs.
#[derive(Clone, Debug)]
pub struct Federation {
    sdl: Arc<str>,
}

impl Federation {
    /// Creates the fields of a subgraph with this schema text.
    pub fn new(sdl: String) -> Self {
        Self { sdl: sdl.into() }
    }
}

/// The entities that other subgraphs may reference by their key.
#[derive(Union, Clone, Debug)]
#[graphql(name = "_Entity")]
pub enum Entity {
    Customer(CustomerObject),
}

/// This subgraph, for the composition of a supergraph.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(name = "_Service")]
pub struct Service {
    /// The schema for the composition of a supergraph.
    sdl: String,
}

/// The fields that the router of a supergraph needs.
#[Object]
impl Federation {
    /// The entities that other subgraphs reference, in the order of the representations. null if there is none. It
    /// costs one call per customer, also for duplicates. Needs CUSTOMERS_READ.
    #[graphql(name = "_entities")]
    async fn entities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Each contains its `__typename`, which is `Customer`, and the customer's `id`.")]
        representations: Vec<Any>,
    ) -> ResolverResult<Vec<Option<ResolverResult<Entity>>>> {
        require(ctx, RootField::Entities)?;
        let reads = representations.iter().map(|representation| resolve_reference(ctx, &representation.0));
        Ok(futures_util::future::join_all(reads).await)
    }

    /// This subgraph's schema. Only for callers that may introspect.
    #[graphql(name = "_service")]
    async fn service(&self, ctx: &Context<'_>) -> ResolverResult<Service> {
        if !ctx.data_unchecked::<Principal>().may_introspect {
            let message =
                "Introspection is disabled. Compose with the output of `customers-gateway schema --federation`.";
            return Err(PublicError::new(ErrorCode::Forbidden, message));
        }
        Ok(Service { sdl: self.sdl.as_ref().to_owned() })
    }
}

/// The entity of a representation. An error concerns only its own representation.
async fn resolve_reference(ctx: &Context<'_>, representation: &Value) -> Option<ResolverResult<Entity>> {
    match customer_id(representation) {
        Ok(id) => {
            let read = CustomerObject::load(ctx, &id, ctx.look_ahead()).await;
            read.map(|found| found.map(Entity::Customer)).transpose()
        }
        Err(refused) => Some(Err(refused)),
    }
}

/// The `id` in a customer's representation. The messages contain nothing of the representation, because other
/// subgraphs may add fields.
fn customer_id(representation: &Value) -> ResolverResult<String> {
    let bad = |message| Err(PublicError::new(ErrorCode::BadUserInput, message));
    let Value::Object(fields) = representation else { return bad("A representation must be an object.") };
    match fields.get("__typename") {
        Some(Value::String(name)) if name == "Customer" => {}
        _ => return bad("The `__typename` of a representation must be `Customer`, the only entity."),
    }
    match fields.get("id") {
        Some(Value::String(id)) => Ok(id.clone()),
        // An id can be an integer. No customer has such an id, so nothing is found.
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Ok(id.to_string()),
        _ => bad("The representation of a customer must contain its `id`."),
    }
}
