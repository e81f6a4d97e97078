//! The identity of one caller, computed once per request.

use std::net::IpAddr;

use secrecy::ExposeSecret;

use super::ClientKey;
use super::client_key::client_network;
use super::verified_keys::VerifiedKeys;
use crate::auth::{Credential, Principal};
use crate::privacy::digest::{KeyedDigest, abbreviated};

/// What identifies an authenticated caller to the limits, the cache and the log. It holds digests only.
#[derive(Clone, Debug)]
pub struct CallerIdentity {
    /// The rate-limit key. It also identifies the caller to the fair limits.
    pub client_key: ClientKey,
    /// The digest of the upstream credential, for the cache scope.
    pub credential: u128,
    /// The same digest if the credential is the caller's own API key. `None` if it is the gateway's.
    pub api_key: Option<u128>,
    /// The digest in log lines, of the caller's own API key or of its token's subject. `None` for an anonymous caller.
    pub log_digest: Option<String>,
}

/// The secrets under which callers are identified.
#[derive(Clone, Debug)]
pub struct CallerDigests {
    /// The process's own secret: for the limits and the cache.
    pub process: KeyedDigest,
    /// The secret `log.digest_key`: for the log.
    pub log: KeyedDigest,
}

impl CallerDigests {
    /// Identifies an authenticated caller. An API key becomes the rate-limit key only after the upstream has accepted it.
    /// Otherwise a client could invent keys and get a new rate limit with each.
    pub(super) fn identify(
        &self,
        principal: &Principal,
        address: IpAddr,
        verified_keys: &VerifiedKeys,
    ) -> CallerIdentity {
        let key = principal.credential.key().expose_secret();
        let credential = self.process.digest(["key", key]);
        let (api_key, verified, named) = match (&principal.credential, &principal.subject) {
            (Credential::Caller(_), _) => {
                (Some(credential), Some(credential).filter(|key| verified_keys.contains(*key)), Some(["key", key]))
            }
            (Credential::Gateway(_), Some(subject)) => {
                let named = ["subject", subject.as_str()];
                (None, Some(self.process.digest(named)), Some(named))
            }
            (Credential::Gateway(_), None) => (None, None, None),
        };
        CallerIdentity {
            client_key: verified.map_or_else(|| self.address_key(address), ClientKey::verified),
            credential,
            api_key,
            log_digest: named.map(|named| abbreviated(self.log.digest(named))),
        }
    }

    /// The rate-limit key of a client that is identified only by its address.
    pub(super) fn address_key(&self, address: IpAddr) -> ClientKey {
        ClientKey::unverified(self.process.digest(["address", &client_network(address).to_string()]))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use secrecy::SecretString;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

    fn principal(credential: Credential, subject: Option<&str>) -> Principal {
        Principal {
            subject: subject.map(str::to_owned),
            account: None,
            permissions: Vec::new(),
            may_introspect: false,
            may_request_upstream_report: false,
            credential,
        }
    }

    fn digests() -> CallerDigests {
        CallerDigests { process: KeyedDigest::new(), log: KeyedDigest::with_secret(&"log".into()) }
    }

    #[tokio::test]
    async fn a_verified_api_key_is_digested_once_under_each_secret() {
        let (digests, verified_keys) = (digests(), VerifiedKeys::default());
        let principal = principal(Credential::Caller(SecretString::from("theirs")), None);
        let first = digests.identify(&principal, ADDRESS, &verified_keys);
        assert_eq!(first.client_key, digests.address_key(ADDRESS), "the upstream has not accepted the key yet");
        verified_keys.insert(first.api_key.expect("an own key")).await;

        let (process, log) = (digests.process.count(), digests.log.count());
        let caller = digests.identify(&principal, ADDRESS, &verified_keys);
        assert_eq!((digests.process.count() - process, digests.log.count() - log), (1, 1));
        assert_eq!(caller.client_key, ClientKey::verified(caller.credential));
        assert_eq!(caller.api_key, Some(caller.credential));
        let in_log = KeyedDigest::with_secret(&"log".into()).digest(["key", "theirs"]);
        assert_eq!(caller.log_digest, Some(abbreviated(in_log)));
    }

    #[test]
    fn subjects_that_share_the_gateways_key_share_its_scope_and_no_rate() {
        let (digests, verified_keys) = (digests(), VerifiedKeys::default());
        let identify = |subject| {
            let principal = principal(Credential::Gateway(SecretString::from("ours")), subject);
            digests.identify(&principal, ADDRESS, &verified_keys)
        };
        let (one, other, anonymous) = (identify(Some("one")), identify(Some("other")), identify(None));
        assert_eq!((digests.process.count(), digests.log.count()), (6, 2));
        assert!(one.credential == other.credential && one.credential == anonymous.credential);
        assert!(one.client_key != other.client_key && one.log_digest != other.log_digest);
        assert_eq!((anonymous.client_key, anonymous.log_digest), (digests.address_key(ADDRESS), None));
        assert!([one.api_key, other.api_key, anonymous.api_key].iter().all(Option::is_none));
    }
}
