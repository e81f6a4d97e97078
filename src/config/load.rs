//! Settings as they are read: every problem is found before any is told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use super::error::Error;
use super::settings::Settings;
use super::sources::{self, EffectiveSetting, Sources};

impl Settings {
    /// The settings in force: defaults, then the file, then the environment of this process.
    ///
    /// # Errors
    /// Names every setting, variable and file that cannot be used.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        Self::examine(file).usable()
    }

    /// The settings in force as far as they can be read, with all that is wrong with them.
    pub fn examine(file: Option<&Path>) -> Examined {
        let variables = sources::check_variables(std::env::vars_os()).err();
        match Sources::read(file, sources::environment_of_process()) {
            Ok(sources) => Self::examine_sources(&sources, variables),
            Err(problem) => Examined {
                settings: None,
                problems: Error::flatten(variables.into_iter().chain([problem]).collect()),
                in_force: Vec::new(),
                known: Known::default(),
            },
        }
    }

    /// Every setting that is in force as text, without secrets, and where it comes from.
    ///
    /// # Errors
    /// As of [`Settings::read`].
    pub fn effective(file: Option<&Path>) -> Result<Vec<EffectiveSetting>, Error> {
        let sources = Sources::read(file, sources::environment_of_process())?;
        Self::from_sources(&sources)?;
        Ok(sources.effective())
    }

    /// Where the admin server listens. Nothing else is looked at: what asks for it has to be right whatever else is wrong.
    ///
    /// # Errors
    /// Where the file cannot be read, or the address is none.
    pub fn admin_listen(file: Option<&Path>) -> Result<SocketAddr, Error> {
        Sources::read(file, sources::environment_of_process())?.setting("server.admin_listen")
    }

    pub(super) fn from_sources(sources: &Sources) -> Result<Self, Error> {
        Self::examine_sources(sources, None).usable()
    }

    fn examine_sources(sources: &Sources, variables: Option<Error>) -> Examined {
        let (settings, problems) = sources.settings::<Self>();
        let mut problems = Error::flatten(variables.into_iter().chain(problems).collect());
        let Some(mut settings) = settings else {
            return Examined { settings: None, problems, in_force: Vec::new(), known: Known::default() };
        };
        problems.extend(settings.read_secrets().err());
        problems = Error::flatten(problems);
        let known = Known::of(sources, &problems);
        // In place of what cannot be used stand the defaults: that these do not fit is no second problem.
        problems.extend(settings.check(&|name| known.has(name)).err());
        Examined { settings: Some(settings), problems: Error::flatten(problems), in_force: sources.effective(), known }
    }
}

/// Settings with all that is wrong with them.
#[derive(Debug)]
pub struct Examined {
    /// With the defaults in place of what cannot be read; none where not even these can be.
    pub settings: Option<Settings>,
    pub problems: Vec<Error>,
    /// Every setting as text, without secrets, and where it comes from.
    pub in_force: Vec<EffectiveSetting>,
    /// Which values are what was asked for.
    known: Known,
}

impl Examined {
    /// Whether a setting has the value that was asked for, and nothing is wrong with it.
    pub fn is_good(&self, name: &str) -> bool {
        self.known.has(name) && !self.problems.iter().any(|problem| problem.setting() == Some(name))
    }

    /// The settings, where nothing is wrong with them.
    ///
    /// # Errors
    /// All problems.
    pub fn usable(self) -> Result<Settings, Error> {
        Error::from_problems(self.problems)?;
        self.settings.ok_or_else(|| Error::Unreadable("nothing is known of them".to_owned()))
    }
}

/// Which settings have the value that was asked for, and not the default in place of one that cannot be read.
#[derive(Debug, Default)]
struct Known {
    names: BTreeSet<String>,
}

impl Known {
    fn of(sources: &Sources, problems: &[Error]) -> Self {
        let mut names = sources.names().filter(|name| sources.says(name)).map(str::to_owned).collect::<BTreeSet<_>>();
        for name in problems.iter().filter_map(Error::setting) {
            // A secret is not known where its file cannot be read.
            names.remove(name);
            names.remove(name.trim_end_matches("_file"));
        }
        Self { names }
    }

    /// Whether a setting has the value that was asked for.
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
