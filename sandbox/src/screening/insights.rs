//! The 33 insights of a reputation: 20 counts, 5 amounts, 8 lists of dates.
//!
//! Each is optional and nullable on the wire. The sandbox uses all three forms: a value, `null`, no key.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::random::Random;

/// The names of the counts.
pub(super) const COUNTS: [&str; 20] = [
    "accounts_active_count",
    "accounts_closed_count",
    "accounts_count",
    "accounts_fraud_count",
    "ach_fraud_transactions_count",
    "ach_returned_transactions_count",
    "applications_approved_count",
    "applications_count",
    "applications_declined_count",
    "applications_fraud_count",
    "card_disputed_transactions_count",
    "card_fraud_transactions_count",
    "card_stopped_transactions_count",
    "user_active_profile_count",
    "user_address_count",
    "user_closed_profile_count",
    "user_dob_count",
    "user_email_count",
    "user_institution_count",
    "user_mobile_count",
];

/// The names of the amounts, in dollars.
pub(super) const AMOUNTS: [&str; 5] = [
    "accounts_fraud_loss_total_amount",
    "ach_fraud_transactions_total_amount",
    "ach_returned_transactions_total_amount",
    "card_disputed_transactions_total_amount",
    "card_fraud_transactions_total_amount",
];

/// The names of the lists of dates.
pub(super) const DATE_LISTS: [&str; 8] = [
    "accounts_closed_dates",
    "accounts_fraud_labeled_dates",
    "ach_fraud_transactions_dates",
    "ach_returned_transactions_dates",
    "applications_dates",
    "card_disputed_transactions_dates",
    "card_fraud_transactions_dates",
    "card_stopped_transactions_dates",
];

/// The insights by name.
pub(super) type Insights = BTreeMap<&'static str, Insight>;

/// An insight.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Insight {
    /// A number of events.
    Count(u32),
    /// Dollars.
    Amount(f64),
    /// Dates, `YYYY-MM-DD`.
    Dates(Vec<String>),
    /// `null`.
    Unknown,
}

/// Insights drawn from `random`; with `complete` all 33 have a value.
pub(super) fn random_insights(random: &mut Random, complete: bool) -> Insights {
    let mut insights = Insights::new();
    let mut put = |name, random: &mut Random, draw: fn(&mut Random) -> Insight| {
        if complete || random.chance(70) {
            insights.insert(name, draw(random));
        } else if random.chance(50) {
            insights.insert(name, Insight::Unknown);
        }
    };
    for name in COUNTS {
        put(name, random, |random| Insight::Count(1 + random.below(9)));
    }
    for name in AMOUNTS {
        // Quarters are exact in binary, so tests need not round.
        put(name, random, |random| Insight::Amount(f64::from(random.below(4000)) / 4.0));
    }
    for name in DATE_LISTS {
        put(name, random, |random| {
            let days = 1 + random.below(3);
            Insight::Dates((0..days).map(|_| day(random)).collect())
        });
    }
    insights
}

fn day(random: &mut Random) -> String {
    format!("2025-{:02}-{:02}", 1 + random.below(12), 1 + random.below(28))
}
