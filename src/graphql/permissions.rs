//! Permissions, checked inside resolvers. A guard of the engine on a nullable field would null its parent.

use async_graphql::{Context, Lookahead};

use super::error::ResolverResult;
use super::root_field::RootField;
use crate::auth::{Permission, Principal};
use crate::error::{ErrorCode, PublicError};

/// Requires the permission of a root field.
pub fn require(ctx: &Context<'_>, root: RootField) -> ResolverResult<()> {
    root.permission().map_or(Ok(()), |permission| require_permission(ctx, permission))
}

/// Requires a permission.
pub fn require_permission(ctx: &Context<'_>, permission: Permission) -> ResolverResult<()> {
    if has_permission(ctx, permission) { Ok(()) } else { Err(forbidden(permission)) }
}

/// Whether the caller has the permission.
pub fn has_permission(ctx: &Context<'_>, permission: Permission) -> bool {
    ctx.data_unchecked::<Principal>().permissions.contains(&permission)
}

/// Whether to load reviews for a selection: if it contains them and the caller has the permission.
pub fn selects_review(ctx: &Context<'_>, selection: &Lookahead<'_>) -> bool {
    selection.field("review").exists() && has_permission(ctx, Permission::ReviewsRead)
}

fn forbidden(permission: Permission) -> PublicError {
    let name = permission.name();
    let message = format!("This needs the permission {name}, which you do not have.");
    PublicError { permission: Some(name), ..PublicError::new(ErrorCode::Forbidden, message) }
}
