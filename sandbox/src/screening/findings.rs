//! Makes the findings of a screening from the customer's type, the requested outcome and the id.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::insights::{Insight, random_insights};
use super::{Kyc, Match, Module, NetworkAlerts, Reputation, Screening, WatchList, codes};
use crate::enums::{Correlation, CustomerType, Decision, Outcome};
use crate::random::Random;
use crate::timestamp::Timestamp;

const INDIVIDUAL_MODULES: [&str; 5] = ["address", "email", "fraud", "phone", "synthetic"];
const BUSINESS_MODULES: [&str; 3] = ["business_evaluation", "business_identification", "business_validation"];
const VALIDATIONS: [&str; 10] =
    ["address", "city", "dob", "email", "first_name", "last_name", "phone", "ssn", "state", "zip"];
const LISTS: [&str; 3] = ["OFAC SDN", "UN Consolidated", "Politically Exposed Persons"];

/// The part that causes a review.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReviewCause {
    Nothing,
    Reputation,
    NetworkAlerts,
    WatchList,
    Kyc,
    Module,
}

/// A screening of a customer of type `kind` with this outcome. The same `id` and outcome give the same findings.
pub(crate) fn screen(id: Uuid, kind: CustomerType, outcome: Outcome, review_id: Uuid, now: Timestamp) -> Screening {
    let (high, low) = id.as_u64_pair();
    let mut random = Random::new(high ^ low);
    let cause = match outcome {
        // Seen: a customer with the outcome `rejected` has the decision `accept` everywhere.
        Outcome::Verified | Outcome::Rejected => ReviewCause::Nothing,
        // Seen: a made-up person gets `review` from its reputation alone.
        Outcome::Standard => ReviewCause::Reputation,
        Outcome::Review => match random.below(5) {
            0 => ReviewCause::Reputation,
            1 => ReviewCause::NetworkAlerts,
            2 => ReviewCause::WatchList,
            3 if kind == CustomerType::Individual => ReviewCause::Kyc,
            _ => ReviewCause::Module,
        },
    };
    let mut breakdown = modules(kind, cause, &mut random);
    if kind == CustomerType::Individual && random.chance(20) {
        // Modules are optional; a fifth of the individuals lack one.
        breakdown.remove("synthetic");
    }
    join_codes(Screening {
        review_id,
        decision: if cause == ReviewCause::Nothing { Decision::Accept } else { Decision::Review },
        messages: None,
        breakdown,
        kyc: (kind == CustomerType::Individual).then(|| kyc(cause == ReviewCause::Kyc)),
        network_alerts: (cause == ReviewCause::NetworkAlerts || random.chance(80))
            .then(|| network_alerts(cause == ReviewCause::NetworkAlerts)),
        reputation: (cause == ReviewCause::Reputation || random.chance(85))
            .then(|| reputation(cause == ReviewCause::Reputation, &mut random)),
        watch_list: (cause == ReviewCause::WatchList || random.chance(80))
            .then(|| watch_list(cause == ReviewCause::WatchList, &mut random)),
        created_at: now,
        updated_at: now,
    })
}

fn modules(kind: CustomerType, cause: ReviewCause, random: &mut Random) -> BTreeMap<&'static str, Module> {
    let company: &[&'static str] = if kind == CustomerType::Business { &BUSINESS_MODULES } else { &[] };
    let mut breakdown = BTreeMap::new();
    for &name in INDIVIDUAL_MODULES.iter().chain(company) {
        breakdown.insert(name, accepted_module(name, random));
    }
    if cause == ReviewCause::Module {
        let name = random.pick(&["address", "email", "fraud", "phone"]);
        let (code, decision) = match name {
            "address" => ("R203", Decision::Review),
            "email" => ("R551", Decision::Review),
            "fraud" => ("R402", Decision::Reject),
            _ => ("R610", Decision::Review),
        };
        breakdown.insert(
            name,
            Module {
                codes: Some(vec![code]),
                correlation: Some(Correlation::Low),
                correlation_score: Some(random.score(5, 30)),
                decision,
                risk_score: Some(random.score(60, 95)),
            },
        );
    }
    breakdown
}

fn accepted_module(name: &str, random: &mut Random) -> Module {
    let code = match name {
        "address" => Some("I708"),
        "business_evaluation" => Some("B101"),
        "business_identification" => Some("B202"),
        "email" => Some(random.pick(&["I121", "I553"])),
        "phone" => Some(random.pick(&["I305", "I625"])),
        _ => None,
    };
    // As in the live sample: fraud and synthetic have no correlation, because they judge behaviour.
    let correlates = !matches!(name, "fraud" | "synthetic");
    let score = random.score(55, 100);
    let codes = match code {
        Some(code) => Some(vec![code]),
        None if name == "synthetic" => None,
        None => Some(Vec::new()),
    };
    Module {
        codes,
        correlation: correlates.then(|| correlation_of(score)),
        correlation_score: correlates.then_some(score),
        decision: Decision::Accept,
        risk_score: (name != "business_validation").then(|| random.score(0, 25)),
    }
}

fn correlation_of(score: f64) -> Correlation {
    match score {
        score if score >= 0.9 => Correlation::High,
        score if score >= 0.7 => Correlation::Likely,
        score if score >= 0.4 => Correlation::Potential,
        _ => Correlation::Low,
    }
}

pub(super) fn kyc(needs_review: bool) -> Kyc {
    Kyc {
        codes: Some(vec![if needs_review { "R907" } else { "I919" }]),
        decision: if needs_review { Decision::Review } else { Decision::Accept },
        validations: VALIDATIONS.iter().map(|&name| (name, !(needs_review && name == "ssn"))).collect(),
    }
}

pub(super) fn network_alerts(needs_review: bool) -> NetworkAlerts {
    NetworkAlerts {
        alerts: Some(if needs_review { vec!["fraud_reported", "account_takeover"] } else { Vec::new() }),
        codes: Some(if needs_review { vec!["R301"] } else { Vec::new() }),
        decision: if needs_review { Decision::Review } else { Decision::Accept },
    }
}

fn reputation(needs_review: bool, random: &mut Random) -> Reputation {
    let mut insights = random_insights(random, false);
    insights.insert("accounts_count", Insight::Count(if needs_review { 14 } else { 2 }));
    Reputation {
        codes: Some(if needs_review { vec!["R1022"] } else { Vec::new() }),
        decision: if needs_review { Decision::Review } else { Decision::Accept },
        insights,
        risk_score: Some(if needs_review { random.score(40, 70) } else { random.score(0, 30) }),
    }
}

fn watch_list(needs_review: bool, random: &mut Random) -> WatchList {
    if !needs_review {
        return WatchList {
            codes: Some(Vec::new()),
            decision: Decision::Accept,
            matched: Some(Vec::new()),
            matches: Some(Vec::new()),
        };
    }
    let list_name = random.pick(&LISTS);
    WatchList {
        codes: Some(vec!["R105"]),
        decision: Decision::Review,
        matched: Some(vec![list_name]),
        matches: Some(vec![Match {
            correlation: if random.chance(50) { Correlation::Potential } else { Correlation::Likely },
            list_name,
            match_fields: vec!["name"],
            urls: vec!["https://lists.example.test/match"],
        }]),
    }
}

/// Adds the texts of all codes to `messages`.
pub(super) fn join_codes(mut screening: Screening) -> Screening {
    let parts = [
        screening.kyc.as_ref().and_then(|part| part.codes.as_ref()),
        screening.network_alerts.as_ref().and_then(|part| part.codes.as_ref()),
        screening.reputation.as_ref().and_then(|part| part.codes.as_ref()),
        screening.watch_list.as_ref().and_then(|part| part.codes.as_ref()),
    ];
    let modules = screening.breakdown.values().map(|module| module.codes.as_ref());
    let messages: BTreeMap<_, _> =
        modules.chain(parts).flatten().flatten().filter_map(|&code| Some((code, codes::text(code)?))).collect();
    screening.messages = (!messages.is_empty()).then_some(messages);
    screening
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp;

    #[test]
    fn standard_gives_review_because_of_reputation_alone() {
        let screening =
            screen(Uuid::from_u128(7), CustomerType::Individual, Outcome::Standard, Uuid::nil(), timestamp::now());
        assert_eq!(screening.decision, Decision::Review);
        assert!(screening.breakdown.values().all(|module| module.decision == Decision::Accept));
        assert_eq!(screening.reputation.map(|part| part.decision), Some(Decision::Review));
    }
}
