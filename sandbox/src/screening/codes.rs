//! Reason codes and their texts: `I…` for insights, `R…` for risks, `B…` for companies.
//!
//! The format of the codes is the vendor's. Most numbers and all texts are made up, since no list is published.

/// Every code that the sandbox uses, with its text in `messages`.
pub(super) const CODES: &[(&str, &str)] = &[
    ("I121", "Known on social sites"),
    ("I305", "Phone in use for more than a year"),
    ("I553", "E-mail address is older than 180 days"),
    ("I625", "Phone belongs to the name given"),
    ("I708", "Address can be delivered to"),
    ("I919", "Full name and address are confirmed"),
    ("R105", "Name is close to one on a watch list"),
    ("R203", "Address belongs to a mail drop"),
    ("R301", "Another institution reported fraud"),
    ("R402", "Identity may combine data of several people"),
    ("R551", "E-mail address was first seen this week"),
    ("R610", "Phone is a forwarding number"),
    ("R907", "Social security number could not be confirmed"),
    ("R1022", "Seen too often lately"),
    ("B101", "Company is in good standing"),
    ("B202", "Company name and EIN belong together"),
    ("B303", "Register names another address"),
];

/// The text of a code.
pub(super) fn text(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}
