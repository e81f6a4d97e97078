//! The rate-limit key: the verified subject or API key of a caller, otherwise its IP address (IPv6: its /64).

use std::net::{IpAddr, Ipv6Addr};

/// The rate-limit key, as a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientKey {
    pub(super) digest: u128,
    /// Whether the identity provider or the upstream has verified the caller. An unverified client has as many keys as
    /// it has addresses.
    pub(super) verified: bool,
}

impl ClientKey {
    /// The key of a verified caller.
    pub fn verified(digest: u128) -> Self {
        Self { digest, verified: true }
    }

    /// The key of a client that is identified only by its address.
    pub fn unverified(digest: u128) -> Self {
        Self { digest, verified: false }
    }

    /// The digest.
    pub fn digest(self) -> u128 {
        self.digest
    }
}

/// The network that one client is assumed to control: the IPv4 address, or the /64 of an IPv6 address, within which a
/// client can choose addresses freely.
pub fn client_network(address: IpAddr) -> IpAddr {
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
