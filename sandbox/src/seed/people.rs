//! Made-up customers, each generated from a number.

use std::sync::Arc;

use chrono::{Duration, TimeZone as _, Utc};
use uuid::{Builder, Uuid};

use crate::customer::{Address, Configuration, Customer, Profile, Representative};
use crate::enums::{CustomerStatus, CustomerType, Outcome, ProcessingMethod};
use crate::random::Random;
use crate::screening::screen;
use crate::timestamp::Timestamp;
use crate::unknown_members::UnknownMembers;

const FIRST: [&str; 24] = [
    "Alba", "Bruno", "Cleo", "Dario", "Edda", "Fritz", "Greta", "Hugo", "Ines", "Jonas", "Kaia", "Luca", "Mira",
    "Nils", "Olga", "Piet", "Quinn", "Rosa", "Sven", "Tilda", "Uma", "Vito", "Wanda", "Zoë",
];
const LAST: [&str; 20] = [
    "Abbott",
    "Brook",
    "Carver",
    "Dale",
    "Elm",
    "Fenn",
    "Garland",
    "Hollis",
    "Ingram",
    "Jarvis",
    "Keel",
    "Lindqvist",
    "Marsh",
    "Núñez",
    "O'Dell",
    "Pike",
    "Quill",
    "Reed",
    "Stone",
    "Thorne",
];
const COMPANY_FIRST: [&str; 12] =
    ["Amber", "Birch", "Copper", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Iron", "Juniper", "Lark", "Maple"];
const COMPANY_LAST: [&str; 10] =
    ["Bakery", "Cycles", "Freight", "Gardens", "Instruments", "Kitchens", "Press", "Roofing", "Tools", "Works"];
const STREETS: [&str; 6] = ["Alder St", "Bridge Ave", "Canal Rd", "Depot Ln", "Elm Ct", "Ferry Blvd"];
const TOWNS: [(&str, &str, &str); 6] = [
    ("Albany", "NY", "12207"),
    ("Boulder", "CO", "80302"),
    ("Concord", "NH", "03301"),
    ("Dayton", "OH", "45402"),
    ("Eugene", "OR", "97401"),
    ("Fresno", "CA", "93721-0007"),
];

/// The customer with this number; the same every time.
pub(crate) fn person(number: u32) -> Customer {
    let mut random = Random::new(0x5eed_0000_0000 + u64::from(number));
    let kind = if number % 10 < 7 { CustomerType::Individual } else { CustomerType::Business };
    let status = status(number / 10 + number);
    let created_at = created(number);
    let id = id(created_at, &mut random);
    let name = match kind {
        CustomerType::Individual => format!("{} {}", random.pick(&FIRST), random.pick(&LAST)),
        CustomerType::Business => format!("{} {}", random.pick(&COMPANY_FIRST), random.pick(&COMPANY_LAST)),
    };
    let configuration = Configuration {
        processing_method: match status {
            CustomerStatus::Pending if random.chance(50) => ProcessingMethod::Skip,
            CustomerStatus::Pending => ProcessingMethod::Background,
            _ => ProcessingMethod::Inline,
        },
        sandbox_outcome: outcome(status, &mut random),
    };
    let review_id = Builder::from_unix_timestamp_millis(millis(created_at), &bytes(&mut random)).into_uuid();
    let screening = (status != CustomerStatus::Pending)
        .then(|| Arc::new(screen(id, kind, requested_outcome(status, configuration), review_id, created_at)));
    let changed =
        if random.chance(40) { Duration::seconds(i64::from(random.below(900_000))) } else { Duration::zero() };
    Customer {
        id,
        email: format!("customer{:05}@example.test", number + 1),
        phone: format!("+120255501{:02}", random.below(100)),
        status,
        external_id: random.chance(60).then(|| format!("ext-{:05}", number + 1)),
        address: random.chance(75).then(|| address(&mut random)),
        profile: random.chance(85).then(|| profile(kind, &name, &mut random)),
        ip_address: ip_address(&mut random),
        metadata: random.chance(40).then(|| {
            let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
            [pair("tier", random.pick(&["gold", "silver", "bronze"])), pair("cohort", random.pick(&["a", "b"]))].into()
        }),
        name,
        kind,
        configuration,
        created_at,
        updated_at: created_at + changed,
        screening,
        unknown_members: UnknownMembers::new(),
    }
}

/// Of ten customers five are verified, two in review, and one each rejected, pending and inactive.
fn status(number: u32) -> CustomerStatus {
    match number % 10 {
        0..=4 => CustomerStatus::Verified,
        5 | 6 => CustomerStatus::Review,
        7 => CustomerStatus::Rejected,
        8 => CustomerStatus::Pending,
        _ => CustomerStatus::Inactive,
    }
}

fn outcome(status: CustomerStatus, random: &mut Random) -> Option<Outcome> {
    match status {
        CustomerStatus::Verified => Some(Outcome::Verified),
        CustomerStatus::Rejected => Some(Outcome::Rejected),
        CustomerStatus::Review if random.chance(70) => Some(Outcome::Review),
        CustomerStatus::Review if random.chance(50) => Some(Outcome::Standard),
        CustomerStatus::Review | CustomerStatus::Pending | CustomerStatus::Inactive => None,
    }
}

/// The outcome that the screening was requested with. An inactive customer was verified before.
fn requested_outcome(status: CustomerStatus, configuration: Configuration) -> Outcome {
    let otherwise = if status == CustomerStatus::Inactive { Outcome::Verified } else { Outcome::Standard };
    configuration.sandbox_outcome.unwrap_or(otherwise)
}

/// Spread over the 290 days from 5 January 2026, unordered, with no two in the same second (97,213 and the number of
/// seconds are coprime).
fn created(number: u32) -> Timestamp {
    let second = u64::from(number) * 97_213 % (290 * 86_400);
    let start = Utc.with_ymd_and_hms(2026, 1, 5, 8, 0, 0).single().unwrap_or_default();
    start + Duration::seconds(i64::try_from(second).unwrap_or_default())
}

fn id(created_at: Timestamp, random: &mut Random) -> Uuid {
    Builder::from_unix_timestamp_millis(millis(created_at), &bytes(random)).into_uuid()
}

fn millis(timestamp: Timestamp) -> u64 {
    u64::try_from(timestamp.timestamp_millis()).unwrap_or_default()
}

fn bytes(random: &mut Random) -> [u8; 10] {
    std::array::from_fn(|_| u8::try_from(random.below(256)).unwrap_or_default())
}

/// One of the three documentation ranges of RFC 5737, or all zeros for an offline sign-up.
fn ip_address(random: &mut Random) -> String {
    if random.chance(10) {
        return "0.0.0.0".into();
    }
    let range = random.pick(&["192.0.2", "198.51.100", "203.0.113"]);
    format!("{range}.{}", 1 + random.below(254))
}

fn address(random: &mut Random) -> Address {
    let (city, state, zip) = TOWNS.get(random.below(6) as usize).copied().unwrap_or(("Albany", "NY", "12207"));
    Address {
        address1: format!("{} {}", 1 + random.below(999), random.pick(&STREETS)),
        address2: random.chance(30).then(|| format!("Unit {}", 1 + random.below(40))),
        city: city.into(),
        state: state.into(),
        zip: zip.into(),
    }
}

fn profile(kind: CustomerType, name: &str, random: &mut Random) -> Profile {
    match kind {
        CustomerType::Individual => Profile::Individual {
            dob: random.chance(90).then(|| {
                format!("{}-{:02}-{:02}", 1950 + random.below(55), 1 + random.below(12), 1 + random.below(28))
            }),
            // SSNs from 900 were never issued.
            ssn: random.chance(80).then(|| {
                format!("9{:02}-{:02}-{:04}", random.below(100), 1 + random.below(99), 1 + random.below(9999))
            }),
        },
        CustomerType::Business => Profile::Business {
            ein: random.chance(90).then(|| format!("00-{:07}", random.below(10_000_000))),
            legal_business_name: random.chance(90).then(|| format!("{name} LLC")),
            representatives: random.chance(60).then(|| vec![representative(random)]),
            website: random
                .chance(60)
                .then(|| format!("https://{}.example.test/", name.to_lowercase().replace(' ', "-"))),
        },
    }
}

fn representative(random: &mut Random) -> Representative {
    let first = random.pick(&FIRST);
    Representative {
        name: format!("{first} {}", random.pick(&LAST)),
        email: random.chance(50).then(|| format!("office{:04}@example.test", random.below(10_000))),
        phone: random.chance(50).then(|| format!("+120255501{:02}", random.below(100))),
    }
}
