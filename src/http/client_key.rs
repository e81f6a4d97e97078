//! Who a request's units are taken from: the caller where somebody vouches for who it is, and its address where not.

use std::net::{IpAddr, Ipv6Addr};

use secrecy::ExposeSecret;

use crate::app::App;
use crate::auth::{Credential, Principal};
use crate::operation::rate_limit::ClientKey;

/// The client_key of a known caller's request. A key counts once the upstream has taken it: until then anybody can have made
/// it up, and would have a rate of its own with each.
pub fn of_principal(app: &App, principal: &Principal, address: IpAddr) -> ClientKey {
    let digests = &app.services.cache.digest;
    match (&principal.credential, &principal.subject) {
        (Credential::Caller(_), _) => {
            let key = key_digest(app, principal).filter(|key| app.verified_keys.contains(*key));
            key.map_or_else(|| self::of_address(app, address), ClientKey::verified)
        }
        (Credential::Gateway(_), Some(subject)) => ClientKey::verified(digests.digest(["subject", subject])),
        (Credential::Gateway(_), None) => self::of_address(app, address),
    }
}

/// The address as a client_key.
pub fn of_address(app: &App, address: IpAddr) -> ClientKey {
    ClientKey::unverified(app.services.cache.digest.digest(["address", &client_network(address).to_string()]))
}

/// The digest of the key that a caller brought.
pub fn key_digest(app: &App, principal: &Principal) -> Option<u128> {
    match &principal.credential {
        Credential::Caller(key) => Some(app.services.cache.digest.digest(["key", key.expose_secret()])),
        Credential::Gateway(_) => None,
    }
}

/// What one caller has of addresses: one of IPv4; of IPv6 the 64 bits behind which it can make up the rest as it likes.
fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("203.0.113.9", "203.0.113.9")]
    #[case("::ffff:203.0.113.9", "203.0.113.9")]
    #[case("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    #[case("::1", "::")]
    fn addresses_of_one_network_share_a_client_key(#[case] address: &str, #[case] counted: &str) {
        let read = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(client_network(read(address)), read(counted));
    }
}
