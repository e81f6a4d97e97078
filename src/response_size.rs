//! Counts the bytes of a response while it is made.
//!
//! The cost of an operation (`operation/cost.rs`) limits the number of fields before the operation runs, by assumed
//! lengths of lists. This module counts the texts that really go into the response, so that a longer list or a longer
//! text cannot exceed the limit. A long response also yields to other tasks.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{ContextSelectionSet, ServerError, ServerResult, Value};
use serde::Deserialize;
use tokio::sync::Notify;

/// Counts the texts of one response. The executor adds it to the data of each request.
#[derive(Debug)]
pub struct ResponseSize {
    /// In bytes; `None` for a response without a limit.
    limit: Option<usize>,
    bytes: AtomicUsize,
    exceeded: Notify,
}

/// The bytes of a text in JSON besides its characters: quotes and a comma.
const STRING_OVERHEAD_BYTES: usize = 3;

impl ResponseSize {
    /// Counts a response that is abandoned once its texts exceed a limit in bytes.
    pub fn limited(limit: usize) -> Self {
        Self { limit: Some(limit), bytes: AtomicUsize::new(0), exceeded: Notify::new() }
    }

    /// Counts a response that is never abandoned: that of a mutation, which has taken effect.
    pub fn unlimited() -> Self {
        Self { limit: None, bytes: AtomicUsize::new(0), exceeded: Notify::new() }
    }

    /// Waits until the response exceeds the limit.
    pub async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// Whether the response exceeds the limit.
    pub fn is_exceeded(&self) -> bool {
        self.limit.is_some_and(|limit| self.bytes.load(Ordering::Relaxed) > limit)
    }

    fn add(&self, bytes: usize) -> ServerResult<()> {
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        match self.limit {
            Some(limit) if total > limit => {
                self.exceeded.notify_one();
                // No caller sees this error: the executor abandons the whole response.
                Err(ServerError::new("The answer is too large.", None))
            }
            _ => Ok(()),
        }
    }
}

/// Counts a value that goes into a response, and yields to other tasks from time to time.
///
/// # Errors
/// If the response exceeds its limit.
pub(crate) async fn count_bytes(ctx: &ContextSelectionSet<'_>, value: Value) -> ServerResult<Value> {
    if let Some(size) = ctx.data_opt::<std::sync::Arc<ResponseSize>>() {
        let bytes = match &value {
            Value::String(text) => text.len(),
            _ => 0,
        };
        size.add(bytes + STRING_OVERHEAD_BYTES)?;
    }
    tokio::task::coop::consume_budget().await;
    Ok(value)
}

/// A text or date of the upstream that is counted when it goes into a response. In the schema it is a `T`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(transparent)]
pub struct Counted<T>(T);

impl<T> From<T> for Counted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Implements `OutputType` for a wrapper: in the schema it is its value, which is counted as it goes into a response.
macro_rules! counted_output {
    ($wrapper:ident) => {
        impl<T: async_graphql::OutputType> async_graphql::OutputType for $wrapper<T> {
            fn type_name() -> std::borrow::Cow<'static, str> {
                T::type_name()
            }

            fn qualified_type_name() -> String {
                T::qualified_type_name()
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                T::create_type_info(registry)
            }

            async fn resolve(
                &self,
                ctx: &async_graphql::ContextSelectionSet<'_>,
                field: &async_graphql::Positioned<async_graphql::parser::types::Field>,
            ) -> async_graphql::ServerResult<async_graphql::Value> {
                $crate::response_size::count_bytes(ctx, self.0.resolve(ctx, field).await?).await
            }
        }
    };
}
pub(crate) use counted_output;

counted_output!(Counted);

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Poll;

    use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Response, Schema};

    use super::*;

    struct Query(Vec<Counted<String>>);

    #[Object]
    impl Query {
        async fn texts(&self) -> &Vec<Counted<String>> {
            &self.0
        }
    }

    /// Runs a query of many texts. Returns the response and how often it yielded.
    async fn run(texts: usize, size: ResponseSize) -> (Response, usize) {
        let query = Query(vec!["text".to_owned().into(); texts]);
        let schema = Schema::new(query, EmptyMutation, EmptySubscription);
        let running = async move { schema.execute(Request::new("{ texts }").data(Arc::new(size))).await };
        let counted = async move {
            let (mut running, mut pauses) = (pin!(running), 0);
            std::future::poll_fn(|task| match running.as_mut().poll(task) {
                Poll::Ready(response) => Poll::Ready((response, pauses)),
                Poll::Pending => {
                    pauses += 1;
                    Poll::Pending
                }
            })
            .await
        };
        tokio::spawn(counted).await.expect("it does not panic")
    }

    #[tokio::test]
    async fn building_a_long_response_yields_to_other_tasks() {
        let (response, pauses) = run(10_000, ResponseSize::limited(1_000_000)).await;
        assert!(response.errors.is_empty());
        assert!(pauses >= 10, "{pauses}");
    }

    #[tokio::test]
    async fn a_response_over_its_limit_is_abandoned_unless_it_has_no_limit() {
        let each = "text".len() + STRING_OVERHEAD_BYTES;
        let (response, _) = run(1_000, ResponseSize::limited(1_000 * each)).await;
        assert!(response.errors.is_empty());
        let (response, _) = run(1_001, ResponseSize::limited(1_000 * each)).await;
        assert!(!response.errors.is_empty());
        let (response, _) = run(1_001, ResponseSize::unlimited()).await;
        assert!(response.errors.is_empty());
    }

    #[tokio::test]
    async fn exceeding_the_limit_wakes_its_waiter() {
        let size = ResponseSize::limited(10);
        assert!(size.add(10).is_ok() && !size.is_exceeded());
        assert!(size.add(1).is_err() && size.is_exceeded());
        size.exceeded().await;
    }
}
