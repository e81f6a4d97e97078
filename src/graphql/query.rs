//! The fields of the query root.

use async_graphql::{Context, ID, Object};

use super::connection::{ConnectionSelection, CustomerConnection, WindowArguments, bad_user_input};
use super::customer::{CustomerObject, session};
use super::error::{ResolverResult, to_public_error};
use super::node::Node;
use super::page::{CustomerPage, number_and_size};
use super::permissions::{require, selects_review};
use super::review::CustomerReview;
use super::root_field::RootField;
use super::viewer::Viewer;
use crate::auth::Principal;
use crate::customers::Listing;
use crate::customers::read::window::Window;
use crate::model::{CustomerFilter, CustomerSort};
use crate::privacy::pii::{PersonalDataClass::Contact, pii};

/// The maximum number of ids in `nodes`.
const MAX_IDS: usize = 100;

/// The fields of the query root.
#[derive(Clone, Copy, Debug)]
pub struct QueryFields;

/// The fields for frontends. The roots in `schema.rs` include them, so no schema contains this type name.
#[Object(name = "FrontendQuery")]
impl QueryFields {
    /// The object with this id. null if there is none. It is for clients that follow Relay's rules; others use
    /// `customer`. Needs CUSTOMERS_READ.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a customer.")] id: ID,
    ) -> Option<ResolverResult<Node>> {
        if let Err(refused) = require(ctx, RootField::Node) {
            return Some(Err(refused));
        }
        let read = CustomerObject::load(ctx, &id, ctx.look_ahead()).await;
        read.map(|found| found.map(Node::Customer)).transpose()
    }

    /// The same as `node` for several ids. The result has null at the position of an unknown id. Needs CUSTOMERS_READ.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids of customers.")] ids: Vec<ID>,
    ) -> ResolverResult<Vec<Option<ResolverResult<Node>>>> {
        require(ctx, RootField::Nodes)?;
        if ids.len() > MAX_IDS {
            return Err(bad_user_input(format!("`ids` takes at most {MAX_IDS} ids.")));
        }
        let reads = ids.iter().map(|id| CustomerObject::load(ctx, id, ctx.look_ahead()));
        let found = futures_util::future::join_all(reads).await;
        Ok(found.into_iter().map(|read| read.map(|found| found.map(Node::Customer)).transpose()).collect())
    }

    /// One customer. null if there is none with this id. It costs one call, also with `review`. Needs CUSTOMERS_READ.
    async fn customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer's id, a UUID.")] id: ID,
    ) -> Option<ResolverResult<CustomerObject>> {
        if let Err(refused) = require(ctx, RootField::Customer) {
            return Some(Err(refused));
        }
        CustomerObject::load(ctx, &id, ctx.look_ahead()).await.transpose()
    }

    /// The customer with this id in your own system. null if there is none. It costs one call, and one more if the
    /// selection contains fields that a list does not contain. Needs CUSTOMERS_READ.
    async fn customer_by_external_id(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer's id in your own system, exactly as stored; at most 500 bytes.", directive = pii::apply(Contact))]
        external_id: String,
    ) -> Option<ResolverResult<CustomerObject>> {
        if let Err(refused) = require(ctx, RootField::CustomerByExternalId) {
            return Some(Err(refused));
        }
        let with_review = selects_review(ctx, &ctx.look_ahead());
        match session(ctx).customer_by_external_id(&external_id).await {
            Ok(found) => found.map(|row| Ok(CustomerObject::from_summary(row, with_review))),
            Err(error) => Some(Err(to_public_error(ctx, error))),
        }
    }

    /// A list of customers, window by window. It costs one call, and one per customer if the selection contains fields
    /// that a list does not contain. Needs CUSTOMERS_READ.
    #[expect(clippy::too_many_arguments, reason = "Relay's four, the filter and the sort are the schema's contract")]
    async fn customers(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "How many rows from the start of the list or after `after`: 1 to 100. 25 if neither `first` nor `last` is given."
        )]
        first: Option<i32>,
        #[graphql(desc = "A cursor of the same list. The rows follow it.")] after: Option<String>,
        #[graphql(
            desc = "How many rows from the end of the list or before `before`: 1 to 100. Not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of the same list. The rows precede it.")] before: Option<String>,
        #[graphql(desc = "Which customers; left out: all.")] filter: Option<CustomerFilter>,
        #[graphql(desc = "The order of the rows. The default is by name, A to Z.")] sort: Option<CustomerSort>,
    ) -> ResolverResult<CustomerConnection> {
        require(ctx, RootField::Customers)?;
        let listing = Listing::new(filter, sort).map_err(|error| to_public_error(ctx, error))?;
        let cut = WindowArguments { first, after, last, before }.window_spec(listing.fingerprint())?;
        let session = session(ctx);
        let rowless = |total: u32| Window { rows: Vec::new(), start: 0, total };
        let (window, with_review) = match ConnectionSelection::from_selection(ctx, &ctx.look_ahead()) {
            ConnectionSelection::Rows { with_review } => (session.window(&listing, cut).await, with_review),
            ConnectionSelection::TotalOnly => (session.total(&listing).await.map(rowless), false),
            ConnectionSelection::Nothing => (Ok(rowless(0)), false),
        };
        let window = window.map_err(|error| to_public_error(ctx, error))?;
        Ok(CustomerConnection::new(&listing, window, with_review))
    }

    /// A numbered page of customers, for tables. It mirrors the upstream's page and costs one call. Needs
    /// CUSTOMERS_READ.
    async fn customer_page(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The page number, from 1. `number` times `size` is at most 100 million.", default = 1)] number: i32,
        #[graphql(desc = "The number of rows per page: 1 to 100.", default = 25)] size: i32,
        #[graphql(desc = "Which customers; left out: all.")] filter: Option<CustomerFilter>,
        #[graphql(desc = "The order of the rows. The default is by name, A to Z.")] sort: Option<CustomerSort>,
    ) -> ResolverResult<CustomerPage> {
        require(ctx, RootField::CustomerPage)?;
        let (number, size) = number_and_size(number, size)?;
        let listing = Listing::new(filter, sort).map_err(|error| to_public_error(ctx, error))?;
        let with_review = selects_review(ctx, &ctx.look_ahead().field("nodes"));
        let page = session(ctx).page(&listing, number, size).await.map_err(|error| to_public_error(ctx, error))?;
        Ok(CustomerPage::new(page, with_review))
    }

    /// A customer's review. null if there is no such customer. It costs one call, the customer included. Needs
    /// REVIEWS_READ.
    async fn customer_review(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer's id, a UUID.")] customer_id: ID,
    ) -> Option<ResolverResult<CustomerReview>> {
        if let Err(refused) = require(ctx, RootField::CustomerReview) {
            return Some(Err(refused));
        }
        let id = customer_id.parse().ok()?;
        match session(ctx).review(id).await {
            Ok(found) => found.map(|review| Ok(CustomerReview::new(review))),
            Err(error) => Some(Err(to_public_error(ctx, error))),
        }
    }

    /// The caller and its permissions. It costs no call.
    async fn viewer(&self, ctx: &Context<'_>) -> Viewer {
        ctx.data_unchecked::<Principal>().into()
    }
}
