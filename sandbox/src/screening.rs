//! What a screening found: the ten fields of `identity_details`, and how the sandbox comes to them.
//!
//! Nobody is really screened. The findings depend on the customer's id and the outcome asked for, so
//! they are the same every time. Two things seen live are kept: a customer forced to `rejected` carries
//! the decision `accept`, and an invented person under `standard` ends in `review` because of its
//! reputation while all modules accept.

mod codes;
mod findings;
mod full_screening;
mod insights;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use uuid::Uuid;

pub(crate) use findings::screen;
pub(crate) use full_screening::full_screening;
use insights::Insights;

use super::enums::{Correlation, Decision};
use super::timestamp::{Timestamp, TimestampFormat};

/// `identity_details`.
#[derive(Clone, Serialize)]
pub(crate) struct Screening {
    /// New with every screening.
    review_id: Uuid,
    /// The whole's; not the customer's status.
    decision: Decision,
    /// Code to text; `null` where no module gave a code.
    messages: Option<BTreeMap<&'static str, &'static str>>,
    /// By module name.
    breakdown: BTreeMap<&'static str, Module>,
    /// Where it ran; it does not for companies.
    #[serde(skip_serializing_if = "Option::is_none")]
    kyc: Option<Kyc>,
    /// Warnings of other institutions.
    #[serde(skip_serializing_if = "Option::is_none")]
    network_alerts: Option<NetworkAlerts>,
    /// History at other institutions.
    #[serde(skip_serializing_if = "Option::is_none")]
    reputation: Option<Reputation>,
    /// Lists of sanctioned or exposed people.
    #[serde(skip_serializing_if = "Option::is_none")]
    watch_list: Option<WatchList>,
    /// When it was begun. Reviews are only ever read, so the spelling is the read's.
    #[serde(serialize_with = "serialize_as_read")]
    created_at: Timestamp,
    /// When it last changed.
    #[serde(serialize_with = "serialize_as_read")]
    updated_at: Timestamp,
}

/// One module of the breakdown.
#[derive(Clone, Serialize)]
struct Module {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// The score in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<Correlation>,
    /// 0 to 1, more is closer.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_score: Option<f64>,
    /// What the module came to.
    decision: Decision,
    /// 0 to 1, more is worse.
    #[serde(skip_serializing_if = "Option::is_none")]
    risk_score: Option<f64>,
}

/// "Know your customer": which fields could be confirmed.
#[derive(Clone, Serialize)]
struct Kyc {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// What it came to.
    decision: Decision,
    /// Field to confirmed or not.
    validations: BTreeMap<&'static str, bool>,
}

/// Warnings of other institutions.
#[derive(Clone, Serialize)]
struct NetworkAlerts {
    /// The warnings.
    alerts: Option<Vec<&'static str>>,
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// What it came to.
    decision: Decision,
}

/// History at other institutions.
#[derive(Clone, Serialize)]
struct Reputation {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// What it came to.
    decision: Decision,
    /// Up to 33 figures.
    insights: Insights,
    /// 0 to 1, more is worse.
    risk_score: Option<f64>,
}

/// Lists of sanctioned or exposed people.
#[derive(Clone, Serialize)]
struct WatchList {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// What it came to.
    decision: Decision,
    /// Names of the lists that matched.
    matched: Option<Vec<&'static str>>,
    /// The matches.
    matches: Option<Vec<Match>>,
}

/// One match on a list.
#[derive(Clone, Serialize)]
struct Match {
    /// How close.
    correlation: Correlation,
    /// Which list.
    list_name: &'static str,
    /// What matched.
    match_fields: Vec<&'static str>,
    /// Where to read on.
    urls: Vec<&'static str>,
}

fn serialize_as_read<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&TimestampFormat::Read.format(*moment))
}
