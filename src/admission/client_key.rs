//! The rate-limit key: the verified subject or API key of a caller, otherwise its IP address (IPv6: its /64).

use std::net::{IpAddr, Ipv6Addr};

/// Who units are taken from, as a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientKey {
    pub(super) digest: u128,
    /// Whether the identity provider or the upstream vouches for it. Of the others, anybody can be as many as they have
    /// addresses.
    pub(super) verified: bool,
}

impl ClientKey {
    /// One that somebody vouches for.
    pub fn verified(digest: u128) -> Self {
        Self { digest, verified: true }
    }

    /// Whoever asks from an address.
    pub fn unverified(digest: u128) -> Self {
        Self { digest, verified: false }
    }

    /// What it is told apart by.
    pub fn digest(self) -> u128 {
        self.digest
    }
}

/// What one caller has of addresses: one of IPv4; of IPv6 the 64 bits behind which it can make up the rest as it likes.
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
