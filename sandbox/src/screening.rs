//! The result of a screening: the ten fields of `identity_details`, and how the sandbox makes them up.
//!
//! The findings depend only on the customer's id and the requested outcome, so they are reproducible. Two observations
//! from the real API are kept: a customer with the outcome `rejected` has the decision `accept`, and a made-up person
//! with the outcome `standard` gets `review` because of its reputation while all modules accept.

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
    /// The overall decision; not the customer's status.
    decision: Decision,
    /// Code to text; `null` if there are no codes.
    messages: Option<BTreeMap<&'static str, &'static str>>,
    /// By module name.
    breakdown: BTreeMap<&'static str, Module>,
    /// `None` for companies.
    #[serde(skip_serializing_if = "Option::is_none")]
    kyc: Option<Kyc>,
    /// Alerts of other institutions.
    #[serde(skip_serializing_if = "Option::is_none")]
    network_alerts: Option<NetworkAlerts>,
    /// History at other institutions.
    #[serde(skip_serializing_if = "Option::is_none")]
    reputation: Option<Reputation>,
    /// Lists of sanctioned or politically exposed persons.
    #[serde(skip_serializing_if = "Option::is_none")]
    watch_list: Option<WatchList>,
    /// When the screening started. Reviews are only read, so timestamps have the read format.
    #[serde(serialize_with = "serialize_as_read")]
    created_at: Timestamp,
    /// When the screening last changed.
    #[serde(serialize_with = "serialize_as_read")]
    updated_at: Timestamp,
}

/// One module of the breakdown.
#[derive(Clone, Serialize)]
struct Module {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// `correlation_score` as a category.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<Correlation>,
    /// 0 to 1; higher is closer.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_score: Option<f64>,
    /// The module's decision.
    decision: Decision,
    /// 0 to 1; higher is riskier.
    #[serde(skip_serializing_if = "Option::is_none")]
    risk_score: Option<f64>,
}

/// "Know your customer": which fields were confirmed.
#[derive(Clone, Serialize)]
struct Kyc {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// The decision of this part.
    decision: Decision,
    /// Field name to whether the field was confirmed.
    validations: BTreeMap<&'static str, bool>,
}

/// Alerts of other institutions.
#[derive(Clone, Serialize)]
struct NetworkAlerts {
    /// The alerts.
    alerts: Option<Vec<&'static str>>,
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// The decision of this part.
    decision: Decision,
}

/// History at other institutions.
#[derive(Clone, Serialize)]
struct Reputation {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// The decision of this part.
    decision: Decision,
    /// Up to 33 insights.
    insights: Insights,
    /// 0 to 1; higher is riskier.
    risk_score: Option<f64>,
}

/// Lists of sanctioned or politically exposed persons.
#[derive(Clone, Serialize)]
struct WatchList {
    /// Reason codes.
    codes: Option<Vec<&'static str>>,
    /// The decision of this part.
    decision: Decision,
    /// Names of the lists that matched.
    matched: Option<Vec<&'static str>>,
    /// The matches.
    matches: Option<Vec<Match>>,
}

/// A match on a watch list.
#[derive(Clone, Serialize)]
struct Match {
    /// How closely the customer matches.
    correlation: Correlation,
    /// The name of the list.
    list_name: &'static str,
    /// The fields that matched.
    match_fields: Vec<&'static str>,
    /// Pages about the match.
    urls: Vec<&'static str>,
}

fn serialize_as_read<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&TimestampFormat::Read.format(*timestamp))
}
