//! Admission: how much of the gateway one caller may use.
//!
//! A request passes the limits in this order:
//!
//! 1. the request unit, before the body is read ([`rate_limit`]);
//! 2. the bytes of its body ([`bodies`]);
//! 3. a permit among the running operations ([`operations`]);
//! 4. the units of its planned upstream calls ([`rate_limit`]);
//! 5. its unmaskings ([`unmask_limit`]).
//!
//! Every limit is per caller. [`caller`] identifies the caller.

pub mod bodies;
mod caller;
mod client_key;
mod operations;
pub mod rate_limit;
mod unmask_limit;
mod verified_keys;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

pub use caller::{CallerDigests, CallerIdentity};
pub use client_key::ClientKey;

use crate::auth::{Permission, Principal};
use crate::error::{ErrorCode, PublicError};
use crate::fair_limit::Permit;
use crate::telemetry::names;
use bodies::{BodyBudget, BodyReservation};
use operations::OperationLimit;
use rate_limit::RateLimit;
use unmask_limit::UnmaskLimit;
use verified_keys::VerifiedKeys;

/// The limits of this instance.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `None` if there is no rate limit.
    pub rate_limit: Option<rate_limit::Settings>,
    /// How many customers one caller may unmask per minute.
    pub max_unmask_per_minute: NonZeroU32,
    /// The maximum number of concurrent operations.
    pub max_operations: usize,
    /// The maximum number of bytes of all request bodies in memory.
    pub max_buffered_body_bytes: usize,
    pub max_body_bytes: usize,
}

/// The limits, and how much of them each caller has used.
#[derive(Debug)]
pub struct Admission {
    rate_limit: Option<RateLimit>,
    unmask_limit: UnmaskLimit,
    operations: OperationLimit,
    bodies: Arc<BodyBudget>,
    verified_keys: VerifiedKeys,
    digests: CallerDigests,
}

impl Admission {
    /// Creates limits of which nothing is used. `digests` identify the callers.
    pub fn new(settings: &Settings, digests: CallerDigests) -> Self {
        Self {
            rate_limit: settings.rate_limit.map(RateLimit::new),
            unmask_limit: UnmaskLimit::new(settings.max_unmask_per_minute),
            operations: OperationLimit::new(settings.max_operations),
            bodies: Arc::new(BodyBudget::new(settings.max_buffered_body_bytes, settings.max_body_bytes)),
            verified_keys: VerifiedKeys::default(),
            digests,
        }
    }

    /// Identifies an authenticated caller. Call it once per request: each call digests the credential.
    pub fn identify(&self, principal: &Principal, address: IpAddr) -> CallerIdentity {
        self.digests.identify(principal, address, &self.verified_keys)
    }

    /// Records whether the upstream accepts an API key.
    pub async fn set_verified(&self, api_key: u128, is_accepted: bool) {
        if is_accepted {
            self.verified_keys.insert(api_key).await;
        } else {
            self.verified_keys.remove(api_key).await;
        }
    }

    /// Charges one unit for a request, also if it is rejected later: a rejection costs time as well.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait.
    pub fn charge_request(&self, client: ClientKey) -> Result<(), PublicError> {
        self.charge_units(client, 1, "requests")
    }

    /// Charges one unit to the address of a request without a valid credential, so that guessing credentials has a
    /// rate limit too.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait.
    pub fn charge_unauthenticated(&self, address: IpAddr) -> Result<(), PublicError> {
        self.charge_units(self.digests.address_key(address), 1, "unauthenticated")
    }

    /// A reservation for the bytes of a client's body, of which nothing has arrived yet.
    pub fn reserve_body(&self, client: ClientKey) -> BodyReservation {
        BodyBudget::start(&self.bodies, client)
    }

    /// Acquires a permit for one operation. It is released when it is dropped.
    ///
    /// # Errors
    /// `OVERLOADED` at once if the gateway is at its limit, or the client at its share.
    pub fn admit_operation(&self, client: ClientKey) -> Result<Permit, PublicError> {
        self.operations.acquire(client)
    }

    /// Charges the planned cost of an operation, in units, and its unmaskings. Every transport uses this function.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait.
    pub fn charge_operation(
        &self,
        client: ClientKey,
        principal: &Principal,
        units: usize,
        unmaskings: usize,
    ) -> Result<(), PublicError> {
        if units > 0 {
            self.charge_units(client, units, "requests")?;
        }
        // An operation without the permission fails later, and must not use up unmaskings.
        if !principal.permissions.contains(&Permission::CustomersUnmask) {
            return Ok(());
        }
        let charged = self.unmask_limit.charge(client, unmaskings, Instant::now());
        charged.inspect_err(|error| record_rate_limited("unmask", error))
    }

    fn charge_units(&self, client: ClientKey, units: usize, limit: &'static str) -> Result<(), PublicError> {
        let charged = self.rate_limit.as_ref().map_or(Ok(()), |rate_limit| rate_limit.charge(client, units));
        charged.inspect_err(|error| record_rate_limited(limit, error))
    }
}

/// Counts a request over its rate limit. A request that exceeds the burst has another error code and metric.
fn record_rate_limited(limit: &'static str, error: &PublicError) {
    if error.code == ErrorCode::RateLimited {
        metrics::counter!(names::RATE_LIMITED, "limit" => limit).increment(1);
    }
}
