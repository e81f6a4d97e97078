//! The root fields and their permissions. `operation/cost.rs` has their prices.
//!
//! A resolver requires its permission by its root field. Both tables are exhaustive, so a root field without a
//! permission or without a price does not compile. A test finds names of the schema that are not in the enumeration.
//! The gateway does not run such a name.

use crate::auth::Permission;
use crate::model::Mutation;

/// A field of the query root or of the mutation root.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RootField {
    Node,
    Nodes,
    Customer,
    CustomerByExternalId,
    Customers,
    CustomerPage,
    CustomerReview,
    Viewer,
    Entities,
    Service,
    Typename,
    Schema,
    Type,
    Mutation(Mutation),
}

impl RootField {
    /// The root field with this name in the schema.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "node" => Self::Node,
            "nodes" => Self::Nodes,
            "customer" => Self::Customer,
            "customerByExternalId" => Self::CustomerByExternalId,
            "customers" => Self::Customers,
            "customerPage" => Self::CustomerPage,
            "customerReview" => Self::CustomerReview,
            "viewer" => Self::Viewer,
            "_entities" => Self::Entities,
            "_service" => Self::Service,
            "__typename" => Self::Typename,
            "__schema" => Self::Schema,
            "__type" => Self::Type,
            name => Self::Mutation(Mutation::ALL.into_iter().find(|mutation| mutation.info().field_name == name)?),
        })
    }

    /// The permission that the field needs. `None` if every caller may select it.
    pub fn permission(self) -> Option<Permission> {
        match self {
            Self::Node
            | Self::Nodes
            | Self::Customer
            | Self::CustomerByExternalId
            | Self::Customers
            | Self::CustomerPage
            | Self::Entities => Some(Permission::CustomersRead),
            Self::CustomerReview => Some(Permission::ReviewsRead),
            Self::Mutation(Mutation::Create | Mutation::Update) => Some(Permission::CustomersWrite),
            Self::Mutation(Mutation::Delete) => Some(Permission::CustomersDelete),
            Self::Mutation(Mutation::Unmask) => Some(Permission::CustomersUnmask),
            Self::Mutation(Mutation::Decide | Mutation::Refresh) => Some(Permission::ReviewsDecide),
            // `_service` looks at the right to introspect instead.
            Self::Viewer | Self::Service | Self::Typename | Self::Schema | Self::Type => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::schema::Schema;

    #[test]
    fn every_root_field_of_the_schema_is_known() {
        let schema = apollo_compiler::Schema::parse_and_validate(Schema::subgraph().sdl(), "").expect("the schema");
        for root in ["Query", "Mutation"] {
            let root = schema.get_object(root).expect("a root");
            for name in root.fields.keys() {
                assert!(RootField::from_name(name).is_some(), "{name} has no price and no permission");
            }
        }
    }
}
