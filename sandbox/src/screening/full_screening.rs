//! A screening with every kind of finding, for reviewers' user interfaces.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::findings::{join_codes, kyc, network_alerts};
use super::insights::random_insights;
use super::{Kyc, Match, Module, Reputation, Screening, WatchList};
use crate::enums::{Correlation, Decision};
use crate::random::Random;
use crate::timestamp::Timestamp;

/// A screening with every module, decision, correlation and code, and all 33 insights.
pub(crate) fn full_screening(review_id: Uuid, now: Timestamp) -> Screening {
    let mut random = Random::new(33);
    let module = |decision, codes: &[&'static str], correlation, score, risk| Module {
        codes: Some(codes.to_vec()),
        correlation: Some(correlation),
        correlation_score: Some(score),
        decision,
        risk_score: Some(risk),
    };
    let breakdown = BTreeMap::from([
        ("address", module(Decision::Review, &["I708", "R203"], Correlation::Potential, 0.45, 0.62)),
        ("business_evaluation", module(Decision::Accept, &["B101"], Correlation::High, 0.97, 0.02)),
        ("business_identification", module(Decision::Accept, &["B202"], Correlation::Likely, 0.81, 0.08)),
        ("business_validation", module(Decision::Review, &["B303"], Correlation::Low, 0.21, 0.44)),
        ("email", module(Decision::Accept, &["I121", "I553"], Correlation::High, 0.99, 0.01)),
        ("fraud", module(Decision::Reject, &["R402", "R551"], Correlation::Low, 0.12, 0.91)),
        ("phone", module(Decision::Accept, &["I305", "I625", "R610"], Correlation::Likely, 0.78, 0.2)),
        ("synthetic", module(Decision::Review, &["R402"], Correlation::Potential, 0.5, 0.55)),
    ]);
    let matches = vec![
        Match {
            correlation: Correlation::Likely,
            list_name: "OFAC SDN",
            match_fields: vec!["name", "dob"],
            urls: vec!["https://lists.example.test/ofac/1815"],
        },
        Match {
            correlation: Correlation::Low,
            list_name: "Politically Exposed Persons",
            match_fields: vec!["name"],
            urls: Vec::new(),
        },
    ];
    join_codes(Screening {
        review_id,
        decision: Decision::Review,
        messages: None,
        breakdown,
        kyc: Some(Kyc { codes: Some(vec!["I919", "R907"]), ..kyc(true) }),
        network_alerts: Some(network_alerts(true)),
        reputation: Some(Reputation {
            codes: Some(vec!["R1022"]),
            decision: Decision::Review,
            insights: random_insights(&mut random, true),
            risk_score: Some(0.45),
        }),
        watch_list: Some(WatchList {
            codes: Some(vec!["R105"]),
            decision: Decision::Review,
            matched: Some(vec!["OFAC SDN", "Politically Exposed Persons"]),
            matches: Some(matches),
        }),
        created_at: now,
        updated_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::codes::CODES;
    use crate::screening::insights::{AMOUNTS, COUNTS, DATE_LISTS, Insight};
    use crate::timestamp;

    #[test]
    fn the_full_screening_uses_all_codes_and_all_insights() {
        let screening = full_screening(Uuid::nil(), timestamp::now());
        assert_eq!(screening.breakdown.len(), 8);
        assert_eq!(screening.messages.map(|messages| messages.len()), Some(CODES.len()));
        let insights = screening.reputation.expect("every module").insights;
        assert_eq!(insights.len(), COUNTS.len() + AMOUNTS.len() + DATE_LISTS.len());
        assert!(insights.values().all(|insight| *insight != Insight::Unknown));
    }
}
