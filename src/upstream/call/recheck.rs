//! Before a write is sent again, its caller looks whether it still fits what is there.
//!
//! A write replaces what was read before it. While it waits to be sent again, somebody else can change the same customer,
//! and the repetition would undo that. The upstream has no conditional write, so a look is all there is: what changes
//! between the look and the repetition is not seen.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::Service;

use crate::upstream::call::transport::{Request, UpstreamResponse};
use crate::upstream::error::{Error, ErrorKind};

/// Whether a write may be sent again.
pub type Recheck = Arc<dyn Fn() -> BoxFuture<'static, Result<bool, Error>> + Send + Sync>;

/// Asks a write's [`Recheck`] each time but the first. It stands outside of the places, so that a look does not wait for a
/// place while it holds one.
#[derive(Clone)]
pub struct RecheckService<S> {
    pub inner: S,
}

impl<S> Service<Request> for RecheckService<S>
where
    S: Service<Request, Response = UpstreamResponse, Error = Error, Future: Send + 'static> + Clone + Send + 'static,
{
    type Response = UpstreamResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<UpstreamResponse, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(recheck) = request.recheck.clone().filter(|_| request.is_retry) else {
            return Box::pin(self.inner.call(request));
        };
        // What was found to be ready is what is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match recheck().await {
                Ok(true) => inner.call(request).await,
                Ok(false) => Err(ErrorKind::Superseded { was_sent: request.retry_reason.is_some() }.into()),
                Err(error) if request.retry_reason.is_none() => Err(ErrorKind::Unchecked(Box::new(error)).into()),
                // It is a word about the look, and says nothing about the write.
                Err(error) => Err(Error { is_from_api: false, ..error }),
            }
        })
    }
}
