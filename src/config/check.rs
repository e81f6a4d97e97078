//! Checks that need several settings. The limits of single settings stand beside their fields ([`crate::setting`]).

use secrecy::ExposeSecret;

use super::error::{Error, Problems};
use super::settings::Settings;
use crate::admission::bodies::most_held;
use crate::auth::AuthMode;

impl Settings {
    /// Finds all invalid settings and combinations of settings. `is_known` returns whether a setting has the value that the
    /// operator set; problems of other settings are left out.
    ///
    /// # Errors
    /// All problems.
    pub(super) fn check(&self, is_known: &dyn Fn(&str) -> bool) -> Result<(), Error> {
        let mut problems = Problems::default();
        problems.ok_or_record(self.upstream.check());
        if self.is_real_upstream() && self.auth.mode == AuthMode::Sandbox {
            let problem = "`sandbox` permits every operation to every caller and is only for a sandbox on this machine: \
                set it to `passthrough`, so that callers send their own key, or to `jwt`, so that they send a token of \
                your identity provider";
            problems.add(Error::invalid("auth.mode", problem));
        }
        let key = self.upstream.api_key.expose_secret().trim();
        // The default key is for the sandbox only.
        if is_known("auth.mode")
            && self.auth.mode != AuthMode::Passthrough
            && (key.is_empty() || (self.is_real_upstream() && key == "sandbox"))
        {
            problems.add(Error::invalid("upstream.api_key", "set it to the gateway's key of the Customers API"));
        }
        if self.auth.mode == AuthMode::Jwt {
            problems.ok_or_record(self.auth.jwt.verifier_settings());
            // Missing keys are reported under the first of these settings.
            let keys = ["auth.jwt.jwks_url", "auth.jwt.public_key_file", "auth.jwt.secret"];
            let keys_are_known = keys.into_iter().all(is_known);
            problems.retain(|name| keys_are_known || name != "auth.jwt.jwks_url");
        }
        problems.ok_or_record(self.documents.trusted());
        problems.ok_or_record(self.audit_destination());
        let each_minute = usize::try_from(self.privacy.max_unmask_per_minute.get()).unwrap_or(usize::MAX);
        if is_known("privacy.max_unmask_per_operation") && self.privacy.max_unmask_per_operation > each_minute {
            let problem = "must not be below privacy.max_unmask_per_operation";
            problems.add(Error::invalid("privacy.max_unmask_per_minute", problem));
        }
        problems.ok_or_record(self.server.tls());
        problems.ok_or_record(self.log.check());
        problems.ok_or_record(self.traces.settings());
        problems.ok_or_record(self.http.origins(self.auth.mode));
        problems.ok_or_record(self.http.allowed_headers());
        let most_units = usize::try_from(self.rate_limit.burst.get()).unwrap_or(usize::MAX);
        let rate_is_known = is_known("rate_limit.enabled") && is_known("graphql.max_upstream_calls");
        if rate_is_known && self.rate_limit().is_some() && self.graphql.executor.max_upstream_calls >= most_units {
            problems.add(Error::invalid("rate_limit.burst", "must be above graphql.max_upstream_calls"));
        }
        let same_address = self.server.admin_listen == self.server.listen && self.server.listen.port() != 0;
        if is_known("server.listen") && same_address {
            let problem = "is the same address as server.listen: set it to another address";
            problems.add(Error::invalid("server.admin_listen", problem));
        }
        if is_known("server.max_body_bytes")
            && self.server.max_buffered_body_bytes < most_held(self.server.max_body_bytes)
        {
            let problem = "must be at least twice server.max_body_bytes: while a compressed body is decoded, the gateway \
                holds its encoded and its decoded bytes";
            problems.add(Error::invalid("server.max_buffered_body_bytes", problem));
        }
        problems.retain(is_known);
        problems.finish()
    }
}
