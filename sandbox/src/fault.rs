//! Injected faults, set through the control API.
//!
//! A fault waits for a matching call (route, customer) and is used up after `times` calls. A status, a hang, an early
//! reset and garbage replace the operation, so a write does not take effect. With `after_write` the write takes effect
//! and the fault replaces only its response. A reset in the body and a slow body need a body, so the operation is
//! always performed. With `set_status` the call's customer gets another status afterwards, as if another client had set
//! it. The sandbox has at most 64 faults.

use std::sync::Mutex;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::enums::CustomerStatus;
use super::operation::Operation;
use super::state::lock;

const MAX_FAULTS: usize = 64;
const MAX_DELAY_MS: u64 = 600_000;
const ACCEPTED: &str = concat!(
    r#"a fault is one of {"status": 400..599, "retry_after": seconds}, {"hang": true}, {"reset": "before_headers"}, "#,
    r#"{"reset": "mid_body"}, {"slow_body_ms": 1..600000}, {"garbage": true}, {"set_status": "rejected"}"#,
);

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// An error status with an envelope, and the seconds of `Retry-After`.
    Status(StatusCode, Option<u32>),
    /// No response until the caller disconnects or the sandbox stops.
    Hang,
    /// A connection reset without a response.
    ResetBeforeHeaders,
    /// The headers and half of the body, then a reset.
    ResetMidBody,
    /// The body in chunks over this time.
    SlowBody(Duration),
    /// A 200 with the JSON content type and a body that is not JSON.
    Garbage,
    /// The normal response; for a fault that only sets a status.
    NoFault,
}

/// A fault that waits for a call.
#[derive(Clone, Debug)]
struct Fault {
    kind: FaultKind,
    route: Option<Operation>,
    customer_id: Option<Uuid>,
    /// The remaining number of calls; `None` until cleared.
    times: Option<u64>,
    after_write: bool,
    set_status: Option<CustomerStatus>,
}

/// A fault that matched a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TriggeredFault {
    /// The kind of the fault.
    pub(crate) kind: FaultKind,
    /// Whether the fault replaces the operation.
    pub(crate) replaces_call: bool,
    /// The new status of the call's customer.
    pub(crate) set_status: Option<CustomerStatus>,
}

/// The faults that wait for a call.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Adds a fault. The error names the accepted input.
    pub(crate) fn add(&self, body: &Value) -> Result<(), String> {
        let fault = Fault::parse(body)?;
        let mut faults = lock(&self.0);
        if faults.len() >= MAX_FAULTS {
            return Err(format!("there are {MAX_FAULTS} faults already; DELETE /_sandbox/faults clears them"));
        }
        faults.push(fault);
        Ok(())
    }

    /// Removes all faults.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// All waiting faults, as `GET /_sandbox/faults` returns them.
    pub(crate) fn list(&self) -> Value {
        lock(&self.0).iter().map(Fault::to_json).collect()
    }

    /// The oldest fault that matches the call, counted as used.
    pub(crate) fn trigger(&self, operation: Operation, id: Uuid) -> Option<TriggeredFault> {
        let mut faults = lock(&self.0);
        let at = faults.iter().position(|fault| fault.matches(operation, id))?;
        let fault = faults.get_mut(at)?;
        let needs_body = matches!(fault.kind, FaultKind::ResetMidBody | FaultKind::SlowBody(_) | FaultKind::NoFault);
        let after_write = operation.is_write() && fault.after_write;
        let triggered = TriggeredFault {
            kind: fault.kind,
            replaces_call: !needs_body && !after_write,
            set_status: fault.set_status,
        };
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                faults.remove(at);
            }
        }
        Some(triggered)
    }
}

impl Fault {
    fn matches(&self, operation: Operation, id: Uuid) -> bool {
        self.route.is_none_or(|route| route == operation)
            && self.customer_id.is_none_or(|customer| operation.names_customer() && customer == id)
    }

    fn parse(body: &Value) -> Result<Self, String> {
        let object = known_members(body, &["fault", "route", "times", "customer_id", "after_write", "set_status"])?;
        let fault = object.get("fault").ok_or_else(|| format!("`fault` is required; {ACCEPTED}"))?;
        // These members are accepted inside `fault` too: `customer_id`, `after_write`, `set_status`.
        let known = [
            "status",
            "retry_after",
            "hang",
            "reset",
            "slow_body_ms",
            "garbage",
            "customer_id",
            "after_write",
            "set_status",
        ];
        let inner = known_members(fault, &known).map_err(|error| format!("in `fault`: {error}; {ACCEPTED}"))?;
        let either = |name: &str| object.get(name).or_else(|| inner.get(name)).filter(|value| !value.is_null());
        let route = object.get("route").filter(|value| !value.is_null());
        let times = object.get("times").filter(|value| !value.is_null());
        let set_status = either("set_status").map(parse_status).transpose()?;
        Ok(Self {
            kind: FaultKind::parse(inner, set_status.is_some())?,
            set_status,
            route: route.map(parse_route).transpose()?,
            customer_id: either("customer_id").map(parse_id).transpose()?,
            times: times.map(parse_times).transpose()?,
            after_write: either("after_write")
                .map(|value| value.as_bool().ok_or("`after_write` must be true or false"))
                .transpose()?
                .unwrap_or(false),
        })
    }

    fn to_json(&self) -> Value {
        let mut shown = json!({"fault": self.kind.to_json(), "after_write": self.after_write});
        let fields = [
            ("route", self.route.map(|route| json!(route.route()))),
            ("customer_id", self.customer_id.map(|id| json!(id))),
            ("times", self.times.map(|times| json!(times))),
            ("set_status", self.set_status.map(|status| json!(status))),
        ];
        if let Some(object) = shown.as_object_mut() {
            object.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        shown
    }
}

impl FaultKind {
    fn parse(fault: &Map<String, Value>, may_be_empty: bool) -> Result<Self, String> {
        let kinds = ["status", "hang", "reset", "slow_body_ms", "garbage"];
        let given: Vec<_> = kinds.into_iter().filter_map(|name| Some((name, fault.get(name)?))).collect();
        if given.is_empty() && may_be_empty {
            return Ok(Self::NoFault);
        }
        let [(name, value)] = given.as_slice() else {
            return Err(ACCEPTED.into());
        };
        let retry_after = match fault.get("retry_after").filter(|value| !value.is_null()) {
            Some(seconds) if *name == "status" => {
                let seconds = seconds.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
                Some(seconds.ok_or("`retry_after` must be a whole number of seconds")?)
            }
            Some(_) => return Err("`retry_after` goes with `status` only".into()),
            None => None,
        };
        let kind = match *name {
            "status" => {
                let status = value.as_u64().and_then(|code| u16::try_from(code).ok());
                let status = status.filter(|code| (400..=599).contains(code));
                status.and_then(|code| StatusCode::from_u16(code).ok()).map(|code| Self::Status(code, retry_after))
            }
            "slow_body_ms" => {
                let ms = value.as_u64().filter(|ms| (1..=MAX_DELAY_MS).contains(ms));
                ms.map(|ms| Self::SlowBody(Duration::from_millis(ms)))
            }
            "reset" => match value.as_str() {
                Some("before_headers") => Some(Self::ResetBeforeHeaders),
                Some("mid_body") => Some(Self::ResetMidBody),
                _ => None,
            },
            "hang" => (*value == &Value::Bool(true)).then_some(Self::Hang),
            _ => (*value == &Value::Bool(true)).then_some(Self::Garbage),
        };
        kind.ok_or_else(|| ACCEPTED.into())
    }

    fn to_json(self) -> Value {
        match self {
            Self::Status(status, None) => json!({"status": status.as_u16()}),
            Self::Status(status, Some(seconds)) => {
                json!({"status": status.as_u16(), "retry_after": seconds})
            }
            Self::Hang => json!({"hang": true}),
            Self::ResetBeforeHeaders => json!({"reset": "before_headers"}),
            Self::ResetMidBody => json!({"reset": "mid_body"}),
            Self::SlowBody(time) => {
                json!({"slow_body_ms": u64::try_from(time.as_millis()).unwrap_or(u64::MAX)})
            }
            Self::Garbage => json!({"garbage": true}),
            Self::NoFault => json!({}),
        }
    }
}

/// The object, if it has only known members.
pub(crate) fn known_members<'v>(value: &'v Value, known: &[&str]) -> Result<&'v Map<String, Value>, String> {
    let object =
        value.as_object().ok_or_else(|| format!("expected an object with the members {}", known.join(", ")))?;
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("unknown member `{name}`; known members are {}", known.join(", "))),
        None => Ok(object),
    }
}

fn parse_route(value: &Value) -> Result<Operation, String> {
    let routes = || Operation::ALL.map(Operation::route).join(", ");
    value.as_str().and_then(Operation::from_route).ok_or_else(|| format!("`route` must be one of {}", routes()))
}

fn parse_id(value: &Value) -> Result<Uuid, String> {
    let id = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
    id.ok_or_else(|| "`customer_id` must be a UUID".into())
}

fn parse_status(value: &Value) -> Result<CustomerStatus, String> {
    let status = value.as_str().and_then(CustomerStatus::parse);
    status.ok_or_else(|| format!("`set_status` must be one of {}", CustomerStatus::VALUES.join(", ")))
}

fn parse_times(value: &Value) -> Result<u64, String> {
    value.as_u64().filter(|times| *times > 0).ok_or_else(|| "`times` must be a whole number from 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_matching_calls_until_used_up() {
        let faults = Faults::default();
        let body = json!({"route": "GET /v1/customers/{id}", "times": 2, "fault": {"status": 503, "retry_after": 2}});
        faults.add(&body).expect("a good fault");
        assert_eq!(faults.trigger(Operation::Review, Uuid::nil()), None);
        for _ in 0..2 {
            let triggered = faults.trigger(Operation::Get, Uuid::nil()).expect("two times");
            assert_eq!(triggered.kind, FaultKind::Status(StatusCode::SERVICE_UNAVAILABLE, Some(2)));
            assert!(triggered.replaces_call);
        }
        assert_eq!(faults.trigger(Operation::Get, Uuid::nil()), None);
    }

    #[test]
    fn after_write_keeps_the_write_and_replaces_the_read() {
        let faults = Faults::default();
        faults.add(&json!({"fault": {"status": 500}, "after_write": true})).expect("a good fault");
        assert!(faults.trigger(Operation::Create, Uuid::nil()).is_some_and(|triggered| !triggered.replaces_call));
        assert!(faults.trigger(Operation::Get, Uuid::nil()).is_some_and(|triggered| triggered.replaces_call));
    }

    #[test]
    fn invalid_faults_are_rejected() {
        for bad in [
            json!({}),
            json!({"fault": {}}),
            json!({"fault": {"status": 200}}),
            json!({"fault": {"status": 503, "hang": true}}),
            json!({"fault": {"hang": false}}),
            json!({"fault": {"reset": "later"}}),
            json!({"fault": {"garbage": true}, "times": 0}),
            json!({"fault": {"garbage": true}, "route": "GET /v2/customers"}),
            json!({"fault": {"garbage": true}, "often": 2}),
            json!({"fault": {"set_status": "gone"}}),
        ] {
            assert!(Faults::default().add(&bad).is_err(), "{bad}");
        }
    }
}
