//! Settings as they are read: every problem is found before any is told.

use std::net::SocketAddr;
use std::path::Path;

use super::sources::{self, InForce, Sources};
use super::{Error, Settings};

impl Settings {
    /// The settings in force: defaults, then the file, then the environment of this process.
    ///
    /// # Errors
    /// Names every setting, variable and file that cannot be used.
    pub fn read(file: Option<&Path>) -> Result<Self, Error> {
        let variables = sources::check_variables(std::env::vars_os());
        match (variables, Sources::read(file, sources::environment()).and_then(|sources| Self::of(&sources))) {
            (Ok(()), read) => read,
            (Err(problem), Ok(_)) => Err(problem),
            (Err(problem), Err(more)) => Err(Error::Several(Error::flat(vec![problem, more]))),
        }
    }

    /// Every setting that is in force as text, without secrets, and where it comes from.
    ///
    /// # Errors
    /// As of [`Settings::read`].
    pub fn in_force(file: Option<&Path>) -> Result<Vec<InForce>, Error> {
        let sources = Sources::read(file, sources::environment())?;
        Self::of(&sources)?;
        Ok(sources.in_force())
    }

    /// Where the admin server listens. Nothing else is looked at: what asks for it has to be right whatever else is wrong.
    ///
    /// # Errors
    /// Where the file cannot be read, or the address is none.
    pub fn admin_listen(file: Option<&Path>) -> Result<SocketAddr, Error> {
        Sources::read(file, sources::environment())?.one("server.admin_listen")
    }

    pub(super) fn of(sources: &Sources) -> Result<Self, Error> {
        let (settings, mut problems) = sources.settings::<Self>();
        if let Some(mut settings) = settings {
            problems.extend(settings.read_secrets().err());
            problems = Error::flat(problems);
            let known: Vec<String> = problems.iter().filter_map(Error::setting).map(str::to_owned).collect();
            // In place of what cannot be used stand the defaults: that these do not fit is no second problem.
            let more = match settings.check() {
                Ok(()) => Vec::new(),
                Err(Error::Several(problems)) => problems,
                Err(problem) => vec![problem],
            };
            let is_known =
                |more: &Error| known.iter().any(|name| more.setting() == Some(name.trim_end_matches("_file")));
            problems.extend(more.into_iter().filter(|more| !is_known(more)));
            Error::of(problems).map(|()| settings)
        } else {
            Err(Error::of(problems).err().unwrap_or_else(|| Error::Unreadable("nothing is known of them".to_owned())))
        }
    }
}
