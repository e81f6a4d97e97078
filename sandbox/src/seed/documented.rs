//! The six customers with fixed ids.

use std::sync::Arc;

use chrono::{Duration, TimeZone as _, Utc};
use uuid::Uuid;

use super::{ADA, BLUE_KETTLE, IVY, PENNY, REX, RHEA};
use crate::customer::{Address, Configuration, Customer, Metadata, Profile, Representative};
use crate::enums::{CustomerStatus, CustomerType, Outcome, ProcessingMethod};
use crate::screening::{full_screening, screen};
use crate::timestamp::Timestamp;
use crate::unknown_members::UnknownMembers;

/// The six customers in the order of their ids.
pub(crate) fn documented_customers() -> [Customer; 6] {
    let review_of = |number: u128| Uuid::from_u128(0x0190_b2de_8001_7aaa_8f10_0000_0000_0000 + number);
    let screened = |id, kind, outcome, number| Arc::new(screen(id, kind, outcome, review_of(number), created(number)));
    let ada = Customer {
        external_id: Some("ada-1".into()),
        address: Some(address("1 Analytical Way", Some("Apt 33"), "Portland", "OR", "97201")),
        profile: Some(person("1985-12-10", "900-12-3456")),
        metadata: Some(metadata(&[("tier", "gold"), ("referred_by", "blue-kettle")])),
        configuration: forced(Outcome::Review),
        screening: Some(Arc::new(full_screening(review_of(1), created(1)))),
        ..base_customer(ADA, 1, "Ada Example", CustomerStatus::Review)
    };
    let blue_kettle = Customer {
        kind: CustomerType::Business,
        email: "books@bluekettle.example.test".into(),
        external_id: Some("blue-kettle-2".into()),
        address: Some(address("9 Quay Rd", None, "Reno", "NV", "89501-0004")),
        profile: Some(Profile::Business {
            ein: Some("98-7654321".into()),
            legal_business_name: Some("Blue Kettle LLC".into()),
            representatives: Some(vec![
                representative("Cy Doe", Some("cy@bluekettle.example.test"), Some("+12025550145")),
                representative("Di Roe", None, None),
            ]),
            website: Some("https://bluekettle.example.test/".into()),
        }),
        metadata: Some(metadata(&[("tier", "silver")])),
        configuration: forced(Outcome::Verified),
        screening: Some(screened(BLUE_KETTLE, CustomerType::Business, Outcome::Verified, 2)),
        ..base_customer(BLUE_KETTLE, 2, "Blue Kettle", CustomerStatus::Verified)
    };
    let rex = Customer {
        external_id: Some("rex-3".into()),
        profile: Some(person("1979-05-01", "900-45-6789")),
        configuration: forced(Outcome::Rejected),
        screening: Some(screened(REX, CustomerType::Individual, Outcome::Rejected, 3)),
        ..base_customer(REX, 3, "Rex Example", CustomerStatus::Rejected)
    };
    let penny = Customer {
        external_id: Some("penny-4".into()),
        configuration: Configuration { processing_method: ProcessingMethod::Skip, sandbox_outcome: None },
        ..base_customer(PENNY, 4, "Penny Example", CustomerStatus::Pending)
    };
    let ivy = Customer {
        external_id: Some("ivy-5".into()),
        address: Some(address("5 Trellis Ct", None, "Savannah", "GA", "31401")),
        profile: Some(Profile::Individual { dob: None, ssn: None }),
        screening: Some(screened(IVY, CustomerType::Individual, Outcome::Verified, 5)),
        ..base_customer(IVY, 5, "Ivy Example", CustomerStatus::Inactive)
    };
    let rhea = Customer {
        external_id: Some("rhea-6".into()),
        address: Some(address("6 Foothill Blvd", None, "Boise", "ID", "83702")),
        profile: Some(person("1991-08-23", "900-98-7654")),
        metadata: Some(metadata(&[])),
        configuration: forced(Outcome::Standard),
        screening: Some(screened(RHEA, CustomerType::Individual, Outcome::Standard, 6)),
        ..base_customer(RHEA, 6, "Rhea Example", CustomerStatus::Review)
    };
    [ada, blue_kettle, rex, penny, ivy, rhea]
}

fn base_customer(id: Uuid, number: u128, name: &str, status: CustomerStatus) -> Customer {
    let first = name.split(' ').next().unwrap_or(name).to_lowercase();
    Customer {
        id,
        name: name.into(),
        kind: CustomerType::Individual,
        email: format!("{first}@example.test"),
        phone: format!("+120255501{:02}", 22 + number),
        status,
        external_id: None,
        address: None,
        profile: None,
        ip_address: format!("203.0.113.{number}"),
        metadata: None,
        configuration: Configuration::default(),
        created_at: created(number),
        updated_at: created(number),
        screening: None,
        unknown_members: UnknownMembers::new(),
    }
}

/// 7 July 2026 at 06:21:44, the time in the samples of `docs/upstream.md`, plus one minute per customer.
fn created(number: u128) -> Timestamp {
    let minutes = i64::try_from(number).unwrap_or_default() - 1;
    let first = Utc.with_ymd_and_hms(2026, 7, 7, 6, 21, 44).single();
    first.unwrap_or_default() + Duration::minutes(minutes)
}

fn forced(outcome: Outcome) -> Configuration {
    Configuration { sandbox_outcome: Some(outcome), ..Configuration::default() }
}

fn person(dob: &str, ssn: &str) -> Profile {
    Profile::Individual { dob: Some(dob.into()), ssn: Some(ssn.into()) }
}

fn address(address1: &str, address2: Option<&str>, city: &str, state: &str, zip: &str) -> Address {
    Address {
        address1: address1.into(),
        address2: address2.map(str::to_owned),
        city: city.into(),
        state: state.into(),
        zip: zip.into(),
    }
}

fn representative(name: &str, email: Option<&str>, phone: Option<&str>) -> Representative {
    Representative { name: name.into(), email: email.map(str::to_owned), phone: phone.map(str::to_owned) }
}

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
}
