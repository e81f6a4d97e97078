//! The gateway as a subgraph of Apollo Federation: what a supergraph's router asks beside what everybody asks.
//!
//! These fields are ours and not the engine's: there one customer that is not there, or one type that is not known,
//! fails all others of the same look-up, an error does not say which representation it is about, and the schema is
//! given away with introspection off. They are in the schema only where the setting has them in.

use std::sync::Arc;

use async_graphql::{Any, Context, Object, SimpleObject, Union, Value};

use super::customer::CustomerObject;
use super::error::ResolverResult;
use super::permissions::require;
use super::root_field::RootField;
use crate::auth::Principal;
use crate::error::{ErrorCode, PublicError};

/// What a supergraph's router asks of any subgraph.
#[derive(Clone, Debug)]
pub struct Federation {
    sdl: Arc<str>,
}

impl Federation {
    /// Of a subgraph whose schema a supergraph is composed with as this text.
    pub fn new(sdl: String) -> Self {
        Self { sdl: sdl.into() }
    }
}

/// Whatever other subgraphs may refer to by its key.
#[derive(Union, Clone, Debug)]
#[graphql(name = "_Entity")]
pub enum Entity {
    Customer(CustomerObject),
}

/// This subgraph, for the composition of a supergraph.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(name = "_Service")]
pub struct Service {
    /// The schema that a supergraph is composed with.
    sdl: String,
}

/// What a supergraph's router asks of any subgraph.
#[Object]
impl Federation {
    /// The entities that other subgraphs refer to, in the order of the representations; null where there is none. It
    /// costs one call for each customer, however often it is there. Needs CUSTOMERS_READ.
    #[graphql(name = "_entities")]
    async fn entities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Each with its `__typename`, which is `Customer`, and the customer's `id`.")]
        representations: Vec<Any>,
    ) -> ResolverResult<Vec<Option<ResolverResult<Entity>>>> {
        require(ctx, RootField::Entities)?;
        let reads = representations.iter().map(|representation| resolve_reference(ctx, &representation.0));
        Ok(futures_util::future::join_all(reads).await)
    }

    /// This subgraph's schema; only for whom introspection is answered.
    #[graphql(name = "_service")]
    async fn service(&self, ctx: &Context<'_>) -> ResolverResult<Service> {
        if !ctx.data_unchecked::<Principal>().may_introspect {
            let message =
                "Introspection is off here: compose with what `customers-gateway schema --federation` prints.";
            return Err(PublicError::new(ErrorCode::Forbidden, message));
        }
        Ok(Service { sdl: self.sdl.as_ref().to_owned() })
    }
}

/// The entity that a representation stands for. What is wrong with one is told at its place and nowhere else.
async fn resolve_reference(ctx: &Context<'_>, representation: &Value) -> Option<ResolverResult<Entity>> {
    match customer_id(representation) {
        Ok(id) => {
            let read = CustomerObject::load(ctx, &id, ctx.look_ahead()).await;
            read.map(|found| found.map(Entity::Customer)).transpose()
        }
        Err(refused) => Some(Err(refused)),
    }
}

/// The `id` of a customer's representation. The messages repeat nothing of it: other subgraphs may put in more fields.
fn customer_id(representation: &Value) -> ResolverResult<String> {
    let bad = |message| Err(PublicError::new(ErrorCode::BadUserInput, message));
    let Value::Object(fields) = representation else { return bad("A representation must be an object.") };
    match fields.get("__typename") {
        Some(Value::String(name)) if name == "Customer" => {}
        _ => return bad("The `__typename` of a representation must be `Customer`: that is the only entity here."),
    }
    match fields.get("id") {
        Some(Value::String(id)) => Ok(id.clone()),
        // An id may come as a whole number. None of ours is one, so there is nothing with it.
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Ok(id.to_string()),
        _ => bad("The representation of a customer must have its `id`."),
    }
}
